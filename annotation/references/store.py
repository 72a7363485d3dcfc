"""Write a new version of a collection in one transaction, so that it is complete or does not exist."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import rdkit
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from annotation.libraries.models import Molecule
from annotation.references.models import ReferenceCollection, ReferenceSpectrum, ReferenceVersion
from models_ml.molecules.standardise import StandardMolecule

SPECTRA_AT_ONCE = 500

Row = tuple[ReferenceSpectrum, StandardMolecule]


def new_version(collection: ReferenceCollection, user: User | None, **fields: object) -> ReferenceVersion:
    """The next version, numbered under a lock of the collection. Needs a transaction."""
    locked = ReferenceCollection.objects.select_for_update().get(pk=collection.pk)
    last = locked.versions.aggregate(last=Max("number"))["last"] or 0
    return ReferenceVersion.objects.create(
        collection=locked, number=last + 1, imported_by=user, rdkit_version=rdkit.__version__, **fields
    )


def add_spectra(version: ReferenceVersion, rows: Iterable[Row]) -> Iterator[int]:
    """Store the rows in chunks and yield the size of each chunk. Needs the transaction of the version."""
    stream = iter(rows)
    while chunk := list(islice(stream, SPECTRA_AT_ONCE)):
        ids = _molecule_ids([molecule for _, molecule in chunk])
        for spectrum, molecule in chunk:
            spectrum.version, spectrum.molecule_id = version, ids[molecule.inchikey_first_block]
        ReferenceSpectrum.objects.bulk_create(spectrum for spectrum, _ in chunk)
        yield len(chunk)


def complete(version: ReferenceVersion) -> None:
    """Set counts and hash from the stored spectra. From now on the version never changes."""
    spectra = version.spectra.all()
    version.n_spectra = spectra.count()
    version.n_molecules = spectra.values("molecule").distinct().count()
    version.content_sha256 = content_sha256(version)
    version.state = ReferenceVersion.State.READY
    version.save()


def content_sha256(version: ReferenceVersion) -> str:
    """SHA-256 over the sorted spectra, one per line. Equal hash, equal references."""
    rows = version.spectra.values_list(
        "splash", "molecule__inchikey_first_block", "adduct", "precursor_mz"
    ).iterator(chunk_size=10_000)
    digest = hashlib.sha256()
    for line in sorted("\t".join(map(str, row)) for row in rows):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _molecule_ids(molecules: Sequence[StandardMolecule]) -> dict[str, int]:
    """Database ids by first block. Adds molecules that do not exist. Two statements."""
    by_key = {molecule.inchikey_first_block: molecule for molecule in molecules}
    with transaction.atomic():
        # In order of the key, so that two imports cannot deadlock.
        Molecule.objects.bulk_create(
            (
                Molecule(
                    inchikey_first_block=key,
                    smiles=by_key[key].smiles,
                    formula=by_key[key].formula[:100],
                    exact_mass=by_key[key].exact_mass,
                    fingerprint=by_key[key].fingerprint,
                )
                for key in sorted(by_key)
            ),
            ignore_conflicts=True,
        )
    known = Molecule.objects.filter(inchikey_first_block__in=by_key)
    return dict(known.values_list("inchikey_first_block", "pk"))
