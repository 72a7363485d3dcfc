"""Spectra per second of `annotate` with the shipped checkpoint, by stage: `make bench` prints the table."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from models_ml.molecules.standardise import standardise
from models_ml.outcomes import Annotated, AnnotateParams
from tests.well_known import computed_spectra, well_known_molecules

CHECKPOINT = Path(__file__).resolve().parents[2] / "models_ml" / "checkpoints" / "glmr-0.6"
BATCH = 64

pytestmark = pytest.mark.timeout(3600)


def test_annotate_by_stage(capsys: pytest.CaptureFixture[str]) -> None:
    if not CHECKPOINT.is_dir():
        pytest.skip(f"needs the shipped checkpoint in {CHECKPOINT.name}")
    torch = pytest.importorskip("torch")
    from models_ml.inference.annotate import annotate
    from models_ml.inference.checkpoint import load_checkpoint
    from models_ml.inference.memory_index import InMemoryLibrary

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_checkpoint(CHECKPOINT, device=device)
    molecules = [standardise(molecule.smiles) for molecule in well_known_molecules()]
    started = time.perf_counter()
    library = InMemoryLibrary(molecules, model.embed_molecules([molecule.smiles for molecule in molecules]))
    embedding_s = time.perf_counter() - started

    spectra = computed_spectra()
    stages: Counter[str] = Counter()
    started = time.perf_counter()
    for first in range(0, len(spectra), BATCH):
        batch = spectra[first : first + BATCH]
        outcomes = annotate(batch, model=model, retrieve=library.retrieve, params=AnnotateParams())
        for outcome in outcomes:
            if isinstance(outcome, Annotated):
                stages.update(outcome.timings_s)
    total_s = time.perf_counter() - started

    with capsys.disabled():
        print(f"\n{device}, {torch.get_num_threads()} threads, batches of {BATCH}, {model.name}")
        print(f"molecules embedded per second  {len(molecules) / embedding_s:10.1f}")
        print(f"spectra annotated per second   {len(spectra) / total_s:10.2f}")
        for stage, seconds in stages.most_common():
            print(f"  {stage:<28} {1000 * seconds / len(spectra):10.1f} ms each")
    assert stages
