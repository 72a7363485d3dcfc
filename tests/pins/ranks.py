"""Ranks and probabilities of 500 test spectra by the shipped checkpoint, for the test that pins them.

`python -m tests.pins.ranks` prints each difference from the pinned values; `--write` replaces them.

Pinned on release 0.1. Eleven profile spectra of one contributor were pinned again when the reader began to
turn profiles into centroids. The other 489 are unchanged.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

PINNED = Path(__file__).parent / "ranks.json"
CHECKPOINT = Path(__file__).resolve().parents[2] / "models_ml" / "checkpoints" / "glmr-0.6"
N_SPECTRA = 500
# The decoder takes most of the time and changes no rank of `fused`, so only the first spectra generate.
N_GENERATED = 64
BATCH = 64
SHOWN_DECIMALS = 4


@dataclass(frozen=True)
class Pin:
    """The result of one spectrum: digests of candidates and generated texts in order, and probabilities."""

    order: str
    generated: str
    p_right: float
    p_close: float
    p_absent: float
    top: list[float]


def shared_data() -> Path:
    folder = os.environ.get("GLMR_SHARED_DATA")
    return Path(folder) if folder else Path(__file__).resolve().parents[3] / "shared" / "data"


def compute(data: Path) -> list[Pin]:
    """One pin for each spectrum, in the order of the draw. Takes about a minute on two cores.

    One thread, because sums in another order change probabilities slightly.
    """
    import torch

    from models_ml.evaluate.cases import read_cases
    from models_ml.inference.annotate import annotate
    from models_ml.inference.checkpoint import load_checkpoint
    from models_ml.inference.memory_index import InMemoryLibrary
    from models_ml.outcomes import AnnotateParams
    from models_ml.spectra import adducts

    torch.set_num_threads(1)
    params = AnnotateParams()
    model = load_checkpoint(CHECKPOINT)
    cases = read_cases(data / "massbank" / "test.mgf.gz", limit=N_SPECTRA, seed=0)
    masses = [
        adducts.neutral_mass(case.spectrum.precursor_mz or 0.0, case.spectrum.adduct or "") for case in cases
    ]
    tolerance_da = 2e-6 * params.precursor_tolerance_ppm * max(masses)
    molecules = list(
        _molecules_in_windows(data / "library" / "candidates.smi.gz", np.array(masses), tolerance_da)
    )
    library = InMemoryLibrary(molecules, model.embed_molecules([molecule.smiles for molecule in molecules]))
    pins: list[Pin] = []
    for start in range(0, len(cases), BATCH):
        spectra = [case.spectrum for case in cases[start : start + BATCH]]
        of_batch = replace(params, generate=start < N_GENERATED)
        for outcome in annotate(spectra, model=model, retrieve=library.retrieve, params=of_batch):
            pins.append(_pin(outcome))
    return pins


def _molecules_in_windows(
    path: Path, masses: np.ndarray[Any, np.dtype[np.float64]], tolerance_da: float
) -> Iterator[Any]:
    """The library molecules that a window may contain. Their SMILES are standardised already."""
    from rdkit import Chem
    from rdkit.Chem.Descriptors import ExactMolWt

    from models_ml.molecules.standardise import identify

    ordered = np.sort(masses)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            smiles = line.split()[0]
            mol = Chem.MolFromSmiles(smiles)
            if mol is None:
                continue
            mass = ExactMolWt(mol)
            index = np.searchsorted(ordered, mass)
            neighbours = ordered[max(index - 1, 0) : index + 1]
            if np.abs(neighbours - mass).min(initial=np.inf) > tolerance_da:
                continue
            if (standard := identify(smiles)) is not None:
                yield standard


def _pin(outcome: Any) -> Pin:
    from models_ml.outcomes import CannotAnnotate, NoMatch

    if isinstance(outcome, NoMatch):  # pinned when it was one of the inputs that cannot be annotated
        outcome = CannotAnnotate(outcome.code, outcome.reason)
    confidence = getattr(outcome, "confidence", None)
    if confidence is None:
        return Pin(_digest([repr(outcome)]), "", 0.0, 0.0, 0.0, [])
    return Pin(
        order=_digest(candidate.inchikey_first_block for candidate in outcome.candidates),
        generated=_digest(molecule.text for molecule in outcome.generated),
        p_right=round(confidence.p_right, SHOWN_DECIMALS),
        p_close=round(confidence.p_close, SHOWN_DECIMALS),
        p_absent=round(confidence.p_absent, SHOWN_DECIMALS),
        top=[round(candidate.probability, SHOWN_DECIMALS) for candidate in outcome.candidates[:5]],
    )


def _digest(texts: Any) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def read() -> list[Pin]:
    return [Pin(*row) for row in json.loads(PINNED.read_text())["spectra"]]


def write(pins: list[Pin]) -> None:
    rows = ",\n".join(
        json.dumps([pin.order, pin.generated, pin.p_right, pin.p_close, pin.p_absent, pin.top])
        for pin in pins
    )
    PINNED.write_text('{"spectra": [\n' + rows + "\n]}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        write(compute(shared_data()))
        return
    different = [
        (number, old, new)
        for number, (old, new) in enumerate(zip(read(), compute(shared_data()), strict=True))
        if old != new
    ]
    for number, old, new in different:
        print(number, old, new, sep="\n  ")
    print(f"{len(different)} of {N_SPECTRA} differ.")


if __name__ == "__main__":
    main()
