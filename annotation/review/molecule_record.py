"""What a reader may see of one molecule: names, libraries, reference spectra, and results that name it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from annotation.accounts.visibility import Projects
from annotation.libraries.models import LibraryEntry, LibraryVersion, Molecule
from annotation.references.models import ReferenceSpectrum, ReferenceVersion
from annotation.results.models import Annotation, Candidate
from annotation.review.models import Verdict

# A library with hundreds of versions would fill the page; its newest versions come first.
MAX_ENTRIES = 200


@dataclass(frozen=True, slots=True)
class Mention:
    """A result whose list of candidates has the molecule. `candidate.annotation` and its job are loaded."""

    candidate: Candidate
    verdict: Verdict | None  # the current one of the result


def entries_of(molecule: Molecule, projects: Projects) -> list[LibraryEntry]:
    """Its entries by library, newest version first; at most MAX_ENTRIES. One query."""
    rows = LibraryEntry.objects.filter(
        molecule=molecule, version__in=LibraryVersion.objects.usable_in(projects)
    )
    ordered = rows.select_related("version__library__project").order_by(
        "version__library__name", "-version__number"
    )
    return list(ordered[:MAX_ENTRIES])


def names_of(entries: list[LibraryEntry]) -> list[str]:
    """The different names of the entries, in their order. Names that differ only in case are the same."""
    first: dict[str, str] = {}
    for entry in entries:
        if entry.name:
            first.setdefault(entry.name.casefold(), entry.name)
    return list(first.values())


def ids_of(entries: list[LibraryEntry]) -> list[str]:
    """The different identifiers of the entries, in their order."""
    return list(dict.fromkeys(entry.source_id for entry in entries if entry.source_id))


def references_of(molecule: Molecule, projects: Projects) -> QuerySet[ReferenceSpectrum]:
    """Its reference spectra without their peaks, newest first."""
    rows = ReferenceSpectrum.objects.filter(
        molecule=molecule, version__in=ReferenceVersion.objects.usable_in(projects)
    )
    return rows.select_related("version__collection").defer("mz_bytes", "intensity_bytes").order_by("-pk")


def candidates_of(molecule: Molecule, projects: Projects, *, any_rank: bool = False) -> QuerySet[Candidate]:
    """The molecule as rank 1, or as a candidate of any rank, in results of the projects; newest first."""
    rows = Candidate.objects.filter(
        molecule=molecule, annotation__in=Annotation.objects.in_projects(projects)
    )
    if not any_rank:
        # Stated twice, so that the index of rank 1 on annotations can find them.
        rows = rows.filter(rank=1, annotation__top_molecule=molecule)
    rows = rows.select_related("annotation__job__project", "annotation__spectrum")
    return rows.defer("annotation__spectrum__mz_bytes", "annotation__spectrum__intensity_bytes").order_by(
        "-annotation_id"
    )


def with_verdicts(candidates: list[Candidate]) -> list[Mention]:
    """One query."""
    verdicts = Verdict.objects.latest_of([candidate.annotation_id for candidate in candidates])
    return [Mention(candidate, verdicts.get(candidate.annotation_id)) for candidate in candidates]
