"""MassSpecGym's own files as an evaluation: spectra (TSV, or a spectrum file and a split) and candidates.

A candidate file gives each molecule's candidates as SMILES; there is one by mass and one by formula, in
versions 1 and 1.5. All are read in one standard form, so a spelling never tells the truth from a decoy.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models_ml.evaluate.cases import NO_KEYS, Case, draw_evenly
from models_ml.evaluate.library import Candidate, Library, as_candidate, shuffled
from models_ml.molecules.standardise import StandardMolecule, identify
from models_ml.outcomes import AnnotateParams
from models_ml.spectra import adducts
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.precursor_window import PreparedSpectrum, prepare_spectrum
from models_ml.spectra.spectrum import Spectrum

NEEDED_COLUMNS = ("mzs", "intensities", "smiles", "precursor_mz", "adduct")


@dataclass(frozen=True, slots=True, eq=False)
class GymSpectrum:
    spectrum: Spectrum
    fold: str  # "train", "val", "test"; "" if no file says


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """Candidates of each molecule, by its SMILES as written and by its InChIKey first block."""

    by_smiles: Mapping[str, Sequence[str]]
    by_inchikey: Mapping[str, Sequence[str]]

    def of(self, written: str, truth: StandardMolecule) -> Sequence[str] | None:
        """The list under the spectrum's own spelling, or under another spelling of the same molecule."""
        found = self.by_smiles.get(written)
        return self.by_inchikey.get(truth.inchikey_first_block) if found is None else found


@dataclass(frozen=True, slots=True, eq=False)
class Gym:
    """Cases of one fold and of the validation fold, their molecules, and what was amiss."""

    cases: list[Case]
    val: list[Case]
    library: Library
    n_without_list: int  # spectra whose molecule has no candidate list; left out
    n_truth_unlisted: int  # spectra whose own molecule is not in its list; they count as misses


def read_gym(
    spectra: Path,
    candidates: Path,
    *,
    split: Path | None,
    fold: str | None,
    val_fold: str | None,
    limit: int | None,
    val_limit: int,
    params: AnnotateParams,
    max_peaks: int,
    cache: Path | None,
) -> Gym:
    """`fold` None: every spectrum. Raises ValueError if a file is not what it should be."""
    rows = list(read_gym_spectra(spectra, split))
    chosen = _cases((row for row in rows if fold is None or row.fold == fold), limit, params.seed)
    val = _cases((row for row in rows if val_fold and row.fold == val_fold), val_limit, params.seed)
    lists = read_candidate_file(candidates, {case.spectrum.smiles for case in (*chosen, *val)})
    listed = [
        (case, lists.of(case.spectrum.smiles, case.truth), place < len(chosen))
        for place, case in enumerate((*chosen, *val))
    ]
    standard = _Standard(cache / f"{candidates.stem}-standard.tsv" if cache else None)
    standard.learn({smiles for _, found, _ in listed for smiles in found or ()})
    library = _library(
        [(case, found) for case, found, _ in listed if found is not None], standard, params.seed
    )
    groups: tuple[list[Case], list[Case]] = ([], [])
    for case, found, is_chosen in listed:
        if found is not None:
            asked = isinstance(prepare_spectrum(case.spectrum, params, max_peaks=max_peaks), PreparedSpectrum)
            keys = _keys(found, standard, library) if asked else NO_KEYS
            groups[0 if is_chosen else 1].append(replace(case, keys=keys))
    unlisted = sum(library.key_of(case.compound) not in case.keys for case in groups[0])
    return Gym(*groups, library, len(chosen) - len(groups[0]), unlisted)


def read_gym_spectra(path: Path, split: Path | None = None) -> Iterator[GymSpectrum]:
    """From MassSpecGym's TSV; from any other spectrum file, with folds from `split` (identifier, fold)."""
    if path.suffix == ".tsv":
        yield from _read_tsv(path)
        return
    folds = _read_split(split) if split else {}
    for item in read_spectra(path):
        if not isinstance(item, SpectrumIssue):
            identifier = item.metadata.get("identifier") or item.metadata.get("IDENTIFIER", "")
            yield GymSpectrum(item, folds.get(identifier, ""))


def read_candidate_file(path: Path, wanted: set[str]) -> CandidateFile:
    """JSON of {SMILES: [SMILES, ...]}. Keys are standardised only if a wanted one is spelled otherwise."""
    lists = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(lists, dict) or not all(isinstance(one, list) for one in lists.values()):
        raise ValueError(f"{path} is no candidate file: it must be a JSON object of lists of SMILES.")
    by_inchikey: dict[str, Sequence[str]] = {}
    if not wanted <= lists.keys():
        for smiles, candidates in tqdm(lists.items(), "candidate lists"):
            molecule = identify(smiles)
            if molecule is not None:
                by_inchikey[molecule.inchikey_first_block] = candidates
    return CandidateFile(lists, by_inchikey)


class _Standard:
    """SMILES as written to molecules, kept in a file: a fold's candidates take a quarter of an hour."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.known: dict[str, Candidate | None] = {}
        if file is not None and file.exists():
            for row in csv.reader(file.open(encoding="utf-8", newline=""), delimiter="\t"):
                self.known[row[0]] = _of_row(row)

    def learn(self, written: set[str]) -> None:
        for smiles in tqdm(sorted(written - self.known.keys()), "candidates"):
            self.known[smiles] = as_candidate(smiles)
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, delimiter="\t")
                writer.writerows(_as_row(smiles, one) for smiles, one in self.known.items())


def _library(listed: Sequence[tuple[Case, Sequence[str]]], standard: _Standard, seed: int) -> Library:
    """The distinct molecules of all lists, in an order that says nothing of lists or truths.

    Of tautomers that share an InChIKey the first by letter stays, whether truth or decoy wrote it.
    """
    found: dict[str, Candidate] = {}
    for _, written in listed:
        for smiles in written:
            one = standard.known[smiles]
            if one is not None:
                known = found.get(one.inchikey_first_block)
                if known is None or one.smiles < known.smiles:
                    found[one.inchikey_first_block] = one
    molecules = [found[key] for key in sorted(found)]
    # Embeddings are kept by the library's name, and every file and draw gives another library.
    contents = hashlib.sha256("\n".join(one.smiles for one in molecules).encode()).hexdigest()
    return shuffled(molecules, f"massspecgym-{contents[:16]}", seed=seed)


def _keys(
    written: Sequence[str], standard: _Standard, library: Library
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    molecules = (standard.known[smiles] for smiles in written)
    keys = {library.key_of(one.inchikey_first_block) for one in molecules if one is not None}
    return np.array(sorted(key for key in keys if key is not None), np.int64)


def _cases(rows: Iterable[GymSpectrum], limit: int | None, seed: int) -> list[Case]:
    known: dict[str, StandardMolecule | None] = {}
    cases: list[Case] = []
    for row in rows:
        smiles = row.spectrum.smiles
        if smiles not in known:
            known[smiles] = identify(smiles) if smiles else None
        truth = known[smiles]
        if truth is not None:
            cases.append(Case(row.spectrum, truth))
    return cases if limit is None else draw_evenly(cases, limit, seed)


def _read_tsv(path: Path) -> Iterator[GymSpectrum]:
    csv.field_size_limit(2**30)  # peak lists are long fields
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        missing = [name for name in NEEDED_COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path} is no MassSpecGym table: it lacks the columns {', '.join(missing)}.")
        for number, row in enumerate(reader, start=2):
            try:
                yield GymSpectrum(_spectrum(row), row.get("fold") or "")
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error


def _spectrum(row: Mapping[str, str]) -> Spectrum:
    written = row["adduct"]
    adduct = adducts.normalise(written) or written or None
    energy = row.get("collision_energy") or ""
    return Spectrum(
        mz=np.array([float(one) for one in row["mzs"].split(",")]),
        intensity=np.array([float(one) for one in row["intensities"].split(",")]),
        precursor_mz=float(row["precursor_mz"]),
        adduct=adduct,
        ion_mode="negative" if written.endswith("-") else "positive",
        collision_energy=energy,
        collision_energy_ev=float(energy) if energy else None,  # the data set states eV
        instrument_type=row.get("instrument_type") or "",
        title=row.get("identifier") or "",
        smiles=row["smiles"],
        formula=row.get("formula") or "",
    )


def _read_split(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["identifier"]: row["fold"] for row in csv.DictReader(stream, delimiter="\t")}


def _as_row(written: str, one: Candidate | None) -> list[str]:
    if one is None:
        return [written]
    fields = (one.smiles, one.inchikey_first_block, one.formula, repr(one.exact_mass), one.fingerprint.hex())
    return [written, *fields]


def _of_row(row: Sequence[str]) -> Candidate | None:
    if len(row) == 1:
        return None
    _, smiles, inchikey, formula, mass, fingerprint = row
    return Candidate(smiles, inchikey, formula, float(mass), bytes.fromhex(fingerprint))
