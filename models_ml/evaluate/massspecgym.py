"""Reads the files of MassSpecGym: spectra (TSV, or a spectrum file and a split) and candidate lists.

A candidate file lists the candidates of each molecule as SMILES. There is one by mass and one by formula, in
versions 1 and 1.5. All SMILES are standardised, so that their spelling does not separate truths from decoys.
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
class MassSpecGymSpectrum:
    spectrum: Spectrum
    fold: str  # "train", "val", "test"; "" if not stated


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """Candidates of each molecule, by its SMILES in the file and by its InChIKey first block."""

    by_smiles: Mapping[str, Sequence[str]]
    by_inchikey: Mapping[str, Sequence[str]]

    def of(self, smiles: str, truth: StandardMolecule) -> Sequence[str] | None:
        """The list of the molecule, under this SMILES or another SMILES of it. None: it has no list."""
        candidates = self.by_smiles.get(smiles)
        return self.by_inchikey.get(truth.inchikey_first_block) if candidates is None else candidates


@dataclass(frozen=True, slots=True, eq=False)
class MassSpecGymData:
    """Cases of one fold and of the validation fold, their molecules, and numbers of incomplete lists."""

    cases: list[Case]
    val: list[Case]
    library: Library
    n_without_list: int  # spectra whose molecule has no candidate list; left out
    n_truth_unlisted: int  # spectra whose own molecule is not in its list; they count as misses


def read_massspecgym(
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
) -> MassSpecGymData:
    """`fold` None: all spectra. Raises ValueError if a file has the wrong format."""
    rows = list(read_massspecgym_spectra(spectra, split))
    test = _cases((row for row in rows if fold is None or row.fold == fold), limit, params.seed)
    val = _cases((row for row in rows if val_fold and row.fold == val_fold), val_limit, params.seed)
    lists = read_candidate_file(candidates, {case.spectrum.smiles for case in (*test, *val)})
    with_lists = [
        (case, lists.of(case.spectrum.smiles, case.truth), index < len(test))
        for index, case in enumerate((*test, *val))
    ]
    standard = _StandardMolecules(cache / f"{candidates.stem}-standard.tsv" if cache else None)
    standard.add({smiles for _, candidate_list, _ in with_lists for smiles in candidate_list or ()})
    used_lists = [candidate_list for _, candidate_list, _ in with_lists if candidate_list is not None]
    library = _library(used_lists, standard, params.seed)
    groups: tuple[list[Case], list[Case]] = ([], [])
    for case, candidate_list, is_test in with_lists:
        if candidate_list is not None:
            prepared = prepare_spectrum(case.spectrum, params, max_peaks=max_peaks)
            can_annotate = isinstance(prepared, PreparedSpectrum)
            keys = _keys(candidate_list, standard, library) if can_annotate else NO_KEYS
            groups[0 if is_test else 1].append(replace(case, keys=keys))
    unlisted = sum(library.key_of(case.compound) not in case.keys for case in groups[0])
    return MassSpecGymData(*groups, library, len(test) - len(groups[0]), unlisted)


def read_massspecgym_spectra(path: Path, split: Path | None = None) -> Iterator[MassSpecGymSpectrum]:
    """Spectra of MassSpecGym's TSV, or of any spectrum file with folds from `split` (identifier, fold)."""
    if path.suffix == ".tsv":
        yield from _read_tsv(path)
        return
    folds = _read_split(split) if split else {}
    for item in read_spectra(path):
        if not isinstance(item, SpectrumIssue):
            identifier = item.metadata.get("identifier") or item.metadata.get("IDENTIFIER", "")
            yield MassSpecGymSpectrum(item, folds.get(identifier, ""))


def read_candidate_file(path: Path, needed: set[str]) -> CandidateFile:
    """Reads JSON of the form {SMILES: [SMILES, ...]}. Raises ValueError for other content.

    It standardises the keys only if a needed SMILES is not among them.
    """
    lists = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(lists, dict) or not all(isinstance(candidates, list) for candidates in lists.values()):
        raise ValueError(
            f"{path} is no candidate file. It must be a JSON object with a list of SMILES for each SMILES."
        )
    by_inchikey: dict[str, Sequence[str]] = {}
    if not needed <= lists.keys():
        for smiles, candidates in tqdm(lists.items(), "candidate lists"):
            molecule = identify(smiles)
            if molecule is not None:
                by_inchikey[molecule.inchikey_first_block] = candidates
    return CandidateFile(lists, by_inchikey)


class _StandardMolecules:
    """Molecules by SMILES as written, cached in a file: the candidates of a fold take about 15 minutes."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.known: dict[str, Candidate | None] = {}
        if file is not None and file.exists():
            for row in csv.reader(file.open(encoding="utf-8", newline=""), delimiter="\t"):
                self.known[row[0]] = _from_row(row)

    def add(self, smiles_set: set[str]) -> None:
        for smiles in tqdm(sorted(smiles_set - self.known.keys()), "candidates"):
            self.known[smiles] = as_candidate(smiles)
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, delimiter="\t")
                writer.writerows(_as_row(smiles, candidate) for smiles, candidate in self.known.items())


def _library(candidate_lists: Sequence[Sequence[str]], standard: _StandardMolecules, seed: int) -> Library:
    """The distinct molecules of all lists, in random order.

    If tautomers share an InChIKey, the first SMILES in alphabetical order is used, for truths and decoys.
    """
    by_block: dict[str, Candidate] = {}
    for candidate_list in candidate_lists:
        for smiles in candidate_list:
            candidate = standard.known[smiles]
            if candidate is not None:
                known = by_block.get(candidate.inchikey_first_block)
                if known is None or candidate.smiles < known.smiles:
                    by_block[candidate.inchikey_first_block] = candidate
    molecules = [by_block[block] for block in sorted(by_block)]
    # Embeddings are cached by the name of the library, and each file and draw makes a different library.
    contents = hashlib.sha256("\n".join(molecule.smiles for molecule in molecules).encode()).hexdigest()
    return shuffled(molecules, f"massspecgym-{contents[:16]}", seed=seed)


def _keys(
    candidate_list: Sequence[str], standard: _StandardMolecules, library: Library
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    molecules = (standard.known[smiles] for smiles in candidate_list)
    keys = {library.key_of(molecule.inchikey_first_block) for molecule in molecules if molecule is not None}
    return np.array(sorted(key for key in keys if key is not None), np.int64)


def _cases(rows: Iterable[MassSpecGymSpectrum], limit: int | None, seed: int) -> list[Case]:
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


def _read_tsv(path: Path) -> Iterator[MassSpecGymSpectrum]:
    csv.field_size_limit(2**30)  # peak lists are long fields
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        missing = [name for name in NEEDED_COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path} is no MassSpecGym table: it lacks the columns {', '.join(missing)}.")
        for line, row in enumerate(reader, start=2):
            try:
                yield MassSpecGymSpectrum(_spectrum(row), row.get("fold") or "")
            except ValueError as error:
                raise ValueError(f"{path}, line {line}: {error}") from error


def _spectrum(row: Mapping[str, str]) -> Spectrum:
    written = row["adduct"]
    adduct = adducts.normalise(written) or written or None
    energy = row.get("collision_energy") or ""
    return Spectrum(
        mz=np.array([float(mz) for mz in row["mzs"].split(",")]),
        intensity=np.array([float(intensity) for intensity in row["intensities"].split(",")]),
        precursor_mz=float(row["precursor_mz"]),
        adduct=adduct,
        ion_mode="negative" if written.endswith("-") else "positive",
        collision_energy=energy,
        collision_energy_ev=float(energy) if energy else None,  # MassSpecGym states eV
        instrument_type=row.get("instrument_type") or "",
        title=row.get("identifier") or "",
        smiles=row["smiles"],
        formula=row.get("formula") or "",
    )


def _read_split(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["identifier"]: row["fold"] for row in csv.DictReader(stream, delimiter="\t")}


def _as_row(smiles: str, candidate: Candidate | None) -> list[str]:
    if candidate is None:
        return [smiles]
    return [
        smiles,
        candidate.smiles,
        candidate.inchikey_first_block,
        candidate.formula,
        repr(candidate.exact_mass),
        candidate.fingerprint.hex(),
    ]


def _from_row(row: Sequence[str]) -> Candidate | None:
    if len(row) == 1:
        return None
    _, smiles, inchikey, formula, mass, fingerprint = row
    return Candidate(smiles, inchikey, formula, float(mass), bytes.fromhex(fingerprint))
