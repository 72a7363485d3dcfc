"""The demonstration: measured spectra of MassBank, a library of the masses around them, and the answers.

`python -m tools.demonstration` makes the files from public data. No training stage saw these molecules.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_DATA = files("models_ml.demonstration") / "data"
SPECTRA = _DATA / "massbank-spectra.mgf.gz"
LIBRARY = _DATA / "structures.smi.gz"
# By hand, from the public records: the authors, the owner of the copyright and the publication of each.
ATTRIBUTION = _DATA / "attribution.csv"
ANSWERS = _DATA / "answers.csv"


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the licence of a record asks to name."""

    accession: str
    authors: str
    copyright: str  # empty if the record states none, as for `publication`
    publication: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The published molecule of a feature. The server shows it only if a person asks."""

    feature: str  # FEATURE_ID in the file of spectra
    accessions: tuple[str, ...]  # of its spectra
    name: str
    smiles: str  # in the standard form
    inchikey_first_block: str
    is_in_library: bool


def read_attribution() -> dict[str, Attribution]:
    """By accession."""
    with ATTRIBUTION.open("r", encoding="utf-8") as stream:
        return {row["accession"]: Attribution(**row) for row in csv.DictReader(stream)}


@cache
def published_answers() -> tuple[Answer, ...]:
    """In the order of the features."""
    with ANSWERS.open("r", encoding="utf-8") as stream:
        return tuple(
            Answer(
                feature=row["feature"],
                accessions=tuple(row["accessions"].split()),
                name=row["name"],
                smiles=row["smiles"],
                inchikey_first_block=row["inchikey_first_block"],
                is_in_library=row["is_in_library"] == "yes",
            )
            for row in csv.DictReader(stream)
        )


@cache
def _answers_by_accession() -> dict[str, Answer]:
    return {accession: answer for answer in published_answers() for accession in answer.accessions}


def published_answer(accession: str) -> Answer | None:
    """The answer of the spectrum with this accession; None if it is not one of the demonstration."""
    return _answers_by_accession().get(accession)
