"""Publish the spectra that curators accepted as references, as a version of their project's collection.

A verdict accepts a feature, so all its spectra become references, at all collision energies.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from annotation.accounts.models import Project
from annotation.references import store
from annotation.references.models import ReferenceCollection, ReferenceSpectrum, ReferenceVersion
from annotation.review.models import Verdict
from annotation.spectra.models import FeatureMember, Spectrum
from models_ml.molecules.standardise import identify

VERDICTS_AT_ONCE = 100  # with the peaks of their spectra
_MEMBERS = Prefetch(
    "annotation__item__feature__members",
    FeatureMember.objects.select_related("spectrum").order_by("spectrum_id"),
)


class NothingToPublish(Exception):
    """No version was made. The message gives the reason."""


def accepted(project: Project) -> QuerySet[Verdict]:
    """The verdicts that make a spectrum a reference. Only the latest verdict of an annotation counts."""
    later = Verdict.objects.filter(annotation=OuterRef("annotation"), pk__gt=OuterRef("pk"))
    return Verdict.objects.filter(
        ~Exists(later), annotation__job__project=project, as_reference=True
    ).order_by("pk")


def publish(project: Project, user: User) -> ReferenceVersion:
    """Make a new version from the accepted spectra of the project. Raises `NothingToPublish`."""
    verdicts = accepted(project).select_related(
        "annotation__item__feature", "candidate__molecule", "decided_by"
    )
    with transaction.atomic():
        collection, _ = ReferenceCollection.objects.get_or_create(
            project=project,
            is_accepted=True,
            defaults={
                "name": f"Accepted in {project.slug}"[:120],
                "description": "Spectra whose molecule a curator of the project confirmed.",
            },
        )
        version = store.new_version(collection, user)
        n = sum(store.add_spectra(version, _rows(verdicts)))
        if not n:
            raise NothingToPublish(
                f"No verdict in {project} makes its spectrum a reference. Curators choose this in a verdict "
                "of level 1, 2a or 2b."
            )
        version.n_found = n
        store.complete(version)
        same = collection.versions.filter(content_sha256=version.content_sha256).exclude(pk=version.pk)
        if (last := same.order_by("-number").first()) is not None:
            noun = "spectrum" if n == 1 else f"{n} spectra"
            raise NothingToPublish(f"{last} already contains exactly the same {noun}.")
    return version


def _rows(verdicts: QuerySet[Verdict]) -> Iterator[store.Row]:
    """One row for each spectrum of each accepted feature. Three queries for every 100 verdicts."""
    position = 0
    for verdict in verdicts.prefetch_related(_MEMBERS).iterator(chunk_size=VERDICTS_AT_ONCE):
        molecule = identify(verdict.smiles)
        if molecule is None:
            continue
        for spectrum in _accepted_spectra(verdict):
            yield _row(position, verdict, spectrum), molecule
            position += 1


def _accepted_spectra(verdict: Verdict) -> Iterator[Spectrum]:
    """The spectra whose evidence counted for the accepted answer, the representative first.

    Outliers and members that were left out stay out: nobody has confirmed that they are this molecule.
    """
    annotation = verdict.annotation
    left_out = {member["spectrum"] for member in annotation.members if member["code"]}
    members = [
        member.spectrum
        for member in annotation.item.feature.members.all()
        if not member.is_outlier and member.spectrum_id not in left_out
    ]
    members.sort(key=lambda spectrum: (spectrum.pk != annotation.spectrum_id, spectrum.source_index))
    return (spectrum for spectrum in members if spectrum.precursor_mz is not None)


def _row(position: int, verdict: Verdict, spectrum: Spectrum) -> ReferenceSpectrum:
    annotation = verdict.annotation
    assert spectrum.precursor_mz is not None  # `_members` leaves others out
    return ReferenceSpectrum(
        position=position,
        title=spectrum.title,
        precursor_mz=spectrum.precursor_mz,
        adduct=annotation.adduct,
        ion_mode=spectrum.ion_mode,
        collision_energy=spectrum.collision_energy,
        collision_energy_ev=spectrum.collision_energy_ev,
        instrument=spectrum.instrument,
        instrument_type=spectrum.instrument_type,
        license=spectrum.license,
        origin=f"Accepted by {verdict.decided_by} on {verdict.decided_at:%Y-%m-%d} at level "
        f"{verdict.level}, annotation {annotation.public_id}",
        verdict=verdict,
        n_peaks=spectrum.n_peaks,
        mz_bytes=spectrum.mz_bytes,
        intensity_bytes=spectrum.intensity_bytes,
        splash=spectrum.splash,
    )
