"""The commands of the evaluation on computed spectra; cases, protocols and rankings with known results."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.__main__ import main
from models_ml.evaluate.cases import Case, draw_evenly, exchange_peaks, remove_peaks
from models_ml.evaluate.library import Library, as_candidate
from models_ml.evaluate.protocols import restricted_retrieve, with_candidates, without_truth
from models_ml.evaluate.ranking import MAX_KEPT, NEVER, rank_by_score, rank_shortlist
from models_ml.inference.memory_index import InMemoryLibrary, LibraryEntry
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import AnnotateParams, Query
from models_ml.spectra.mgf_writer import write_mgf
from tests.tiny_checkpoint import MOLECULES

THEOPHYLLINE, THEOBROMINE = MOLECULES[3], MOLECULES[4]
KEYS = (
    "hit@1", "hit@5", "hit@20", "mrr", "coverage@20", "coverage@40", "mces@1", "tanimoto@1",
    "mean_candidates",
    "random_hit@1", "blind_hit@1", "shuffled_hit@1", "lift@1", "information_bits", "ece", "ece_close",
    "accuracy@50%",
    "abstained", "abstained_right", "absent_auc", "n_spectra", "n_compounds", "ci95", "macro", "strata",
)  # fmt: skip


def make_cases(*smiles: str) -> list[Case]:
    return [
        Case(
            replace(fragment_spectrum(structure, collision_energy_ev=energy), smiles=structure),
            standardise(structure),
        )
        for structure in smiles
        for energy in (20.0, 40.0)
    ]


def make_library(*smiles: str) -> Library:
    candidates = [as_candidate(structure) for structure in smiles]
    return Library([candidate for candidate in candidates if candidate is not None], "test")


def write_spectra(path: Path, *smiles: str) -> Path:
    with path.open("w", encoding="utf-8") as stream:
        write_mgf([case.spectrum for case in make_cases(*smiles)], stream)
    return path


def test_a_limit_takes_spectra_of_all_compounds() -> None:
    cases = make_cases(*MOLECULES[:4])
    drawn = draw_evenly(cases, 4, seed=1)
    assert len({case.compound for case in drawn}) == 4
    assert drawn == draw_evenly(cases, 4, seed=1)


def test_exchanged_peaks_come_from_another_compound() -> None:
    cases = make_cases(THEOPHYLLINE, THEOBROMINE)
    exchanged, n_within_tolerance = exchange_peaks(cases)
    assert n_within_tolerance == len(cases)  # isomers have the same precursor m/z
    for before, after in zip(cases, exchanged, strict=True):
        donors = [case for case in cases if case.spectrum.mz is after.spectrum.mz]
        assert donors[0].compound != before.compound == after.compound


def test_the_blind_twin_gets_no_peak_of_the_spectrum() -> None:
    (case, _) = remove_peaks(make_cases(THEOPHYLLINE))
    assert case.spectrum.mz.tolist() == [case.spectrum.precursor_mz]


def test_the_memory_library_answers_like_a_plain_sort() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mass = rng.uniform(100, 200, 500)
    library = InMemoryLibrary([LibraryEntry("C", str(n), "CH4", mass[n]) for n in range(500)], vectors)
    (retrieved,) = library.retrieve([Query(vectors[7], 150.0, 30.0)], 40)
    inside = np.flatnonzero(np.abs(mass - 150) <= 30)
    expected = sorted(inside, key=lambda key: (-float(vectors[key] @ vectors[7]), key))[:40]
    assert [molecule.key for molecule in retrieved.molecules] == expected
    assert retrieved.n_in_window == len(inside)


def test_each_protocol_has_its_own_candidates() -> None:
    library = make_library(*MOLECULES)
    cases = make_cases(THEOPHYLLINE)
    sizes = {}
    for protocol in ("precursor", "formula", "isomers", "whole"):
        selected = with_candidates(cases, library, protocol, AnnotateParams(), max_peaks=64)
        sizes[protocol] = [len(case.keys) for case in selected]
    assert sizes == {"precursor": [2, 2], "formula": [2, 2], "isomers": [], "whole": [len(MOLECULES)] * 2}


def test_a_deleted_truth_is_no_candidate() -> None:
    library = make_library(*MOLECULES)
    cases = with_candidates(make_cases(THEOPHYLLINE), library, "formula", AnnotateParams(), max_peaks=64)
    (case, _) = without_truth(cases, library)
    assert [library.molecules[key].smiles for key in case.keys] == [THEOBROMINE]


def test_restricted_retrieval_answers_from_the_candidates_of_each_case() -> None:
    library = make_library(*MOLECULES)
    vectors = np.random.default_rng(0).normal(size=(len(library), 4)).astype(np.float32)
    first, second = make_cases(THEOPHYLLINE)
    cases = [replace(first, keys=np.array([1, 5, 7])), replace(second, keys=np.array([2]))]
    queries = [Query(vectors[5], 0.0, 0.0)] * 2
    of_first, of_second = restricted_retrieve(cases, library, vectors)(queries, 2)
    order = sorted([1, 5, 7], key=lambda key: -float(vectors[key] @ vectors[5]))
    assert [molecule.key for molecule in of_first.molecules] == order[:2]
    assert of_first.n_in_window == 3
    assert [molecule.key for molecule in of_second.molecules] == [2]
    with pytest.raises(ValueError, match="one per case"):
        restricted_retrieve(cases, library, vectors)(queries[:1], 2)


def test_equal_scores_share_their_expected_rank() -> None:
    keys = np.array([4, 8, 9])
    assert rank_by_score(keys, np.array([0.5, 0.5, 0.1]), 8).rank == 1.5
    assert rank_by_score(keys, np.array([0.1, 0.5, 0.9]), 4).rank == 3
    assert rank_by_score(keys, np.array([0.1, 0.5, 0.9]), None).rank == NEVER
    with pytest.raises(ValueError, match="finite"):
        rank_by_score(keys, np.array([0.1, np.nan, 0.9]), 4)


def test_a_large_ranking_stores_the_best_and_counts_the_rest() -> None:
    scores = np.random.default_rng(0).normal(size=5000)
    ranking = rank_by_score(np.arange(5000), scores, 17)
    assert ranking.keys.tolist() == np.argsort(-scores)[:MAX_KEPT].tolist()
    assert ranking.rank == (scores > scores[17]).sum() + 1
    assert ranking.rest_counts.sum() == 5000 - MAX_KEPT
    whole = np.log(np.exp(scores).sum())
    kept = np.exp(ranking.scores).sum() + (ranking.rest_counts * np.exp(ranking.rest_scores)).sum()
    assert np.log(kept) == pytest.approx(whole, abs=1e-4)


def test_a_truth_outside_the_shortlist_has_no_rank_but_the_last_score() -> None:
    ranking = rank_shortlist(np.array([1, 2]), np.array([0.9, 0.3]), np.array([1, 2, 3, 4]), 4)
    assert ranking.rank == NEVER
    assert ranking.truth_score == 0.3
    assert ranking.rest_counts.tolist() == [2]
    assert ranking.n_candidates == 4


def test_compare_writes_every_metric(tiny_checkpoint: Path, tmp_path: Path) -> None:
    spectra = write_spectra(tmp_path / "spectra.mgf", *MOLECULES[:5])
    val = write_spectra(tmp_path / "val.mgf", *MOLECULES[5:12])
    references = write_spectra(tmp_path / "references.mgf", *MOLECULES[3:20])
    (tmp_path / "library.smi").write_text("".join(f"{smiles} M{n}\n" for n, smiles in enumerate(MOLECULES)))
    for name in ("first", "out"):  # the second run reads the cache
        main(["--spectra", str(spectra), "--library", str(tmp_path / "library.smi"), "--val", str(val),
              "--checkpoint", str(tiny_checkpoint), "--blind", str(tiny_checkpoint),
              "--references", str(references), "--train", str(references), "--mces-limit", "2",
              "--protocol", "whole", "--cache", str(tmp_path / "cache"),
              "--method", "random,blind,nearest_entropy,nearest_cosine,analogs,retrieval,glmr",
              "--out", str(tmp_path / f"{name}.json")])  # fmt: skip
    first, report = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("first", "out"))
    assert report["references"]["n_excluded"] == 2 * 9  # references of test and validation compounds
    assert report["n_library"] == len(MOLECULES)
    for method, metrics in report["methods"].items():
        assert first["methods"][method]["ci95"] == metrics["ci95"]
        assert all(name in metrics for name in KEYS), method
        assert metrics["n_spectra"] == 10
        assert metrics["n_failed"] == 0
        assert metrics["coverage@40"] == 1
        assert metrics["random_hit@1"] == pytest.approx(1 / len(MOLECULES), abs=1e-4)
        assert metrics["information_bits"] is not None
        assert metrics["ece"] is not None
        assert metrics["mces_pairs"] <= 2
    assert report["methods"]["blind"]["lift@1"] == report["methods"]["blind"]["information_bits"] == 0
    assert "valid_beams" in report["methods"]["glmr"]
    (tmp_path / "checkpoint").mkdir()
    main(["collect", "--checkpoint", str(tmp_path / "checkpoint"), str(tmp_path / "out.json")])
    collected = json.loads((tmp_path / "checkpoint" / "metrics.json").read_text())
    kept = collected["protocols"]["whole, references"]["retrieval"]
    assert kept["hit@1"] == report["methods"]["retrieval"]["hit@1"]
    assert set(kept["ci95"]) <= set(kept)
    # Add the report of another protocol, then replace everything with it.
    (tmp_path / "other.json").write_text(json.dumps(report | {"protocol": "formula"}))
    other = ["--checkpoint", str(tmp_path / "checkpoint"), str(tmp_path / "other.json")]
    for add, expected in (
        (["--add"], {"whole, references", "formula, references"}),
        ([], {"formula, references"}),
    ):
        main(["collect", *add, *other])
        stored = json.loads((tmp_path / "checkpoint" / "metrics.json").read_text())
        assert set(stored["protocols"]) == expected
    assert "## Controls" in (tmp_path / "out.md").read_text()
    assert (tmp_path / "out.png").stat().st_size > 0


def test_retrieval_ranks_as_the_server_retrieves(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The scores of all candidates give the same order as the shortlist of `annotate`."""
    from models_ml.evaluate.methods.context import MethodContext
    from models_ml.evaluate.methods.model_methods import retrieval_ranking
    from models_ml.evaluate.vectors import MoleculeVectors
    from models_ml.inference.annotate import annotate
    from models_ml.inference.checkpoint import load_checkpoint
    from models_ml.outcomes import Annotated

    model, library = load_checkpoint(tiny_checkpoint), make_library(*MOLECULES)
    params = AnnotateParams(method="glmr", max_tokens=8, beam_size=1)
    cases = with_candidates(make_cases(*MOLECULES[:4]), library, "whole", params, max_peaks=64)
    context = MethodContext(model, library, MoleculeVectors(model, library), params)
    rankings = retrieval_ranking(cases, context)
    outcomes = annotate(
        [case.spectrum for case in cases],
        model=model,
        retrieve=restricted_retrieve(cases, library, context.vectors.values),
        params=params,
    )
    for ranking, outcome in zip(rankings, outcomes, strict=True):
        assert isinstance(outcome, Annotated)
        retrieved = sorted(outcome.candidates, key=lambda candidate: candidate.retrieval_rank)
        assert [candidate.key for candidate in retrieved] == ranking.keys.tolist()


def test_the_shipped_checkpoint_states_confidence_and_has_a_fingerprint_baseline(tmp_path: Path) -> None:
    isomers = ("CC(=O)Oc1ccccc1C(=O)O", "COC(=O)c1ccccc1C(=O)O", "O=C(O)Cc1ccc2c(c1)OCO2")
    (tmp_path / "library.smi").write_text("".join(f"{smiles} M{n}\n" for n, smiles in enumerate(isomers)))
    main(["--spectra", str(write_spectra(tmp_path / "spectra.mgf", *isomers)), "--mces-limit", "0",
          "--library", str(tmp_path / "library.smi"), "--beam-size", "1",
          "--method", "fused,fused-fragments,fingerprint_decoys",
          "--references", str(write_spectra(tmp_path / "references.mgf", *MOLECULES[5:9])),
          "--protocol", "formula", "--out", str(tmp_path / "out.json")])  # fmt: skip
    report = json.loads((tmp_path / "out.json").read_text())
    fused, heads = report["methods"]["fused"], report["methods"]["fingerprint_decoys"]
    assert fused["mean_candidates"] == heads["mean_candidates"] == 3
    assert fused["confidence_from"] == "the method"
    assert fused["n_absent"] == 6
    assert 0 <= fused["absent_auc"] <= 1


def test_stored_temperatures_replace_validation_spectra(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, checkpoint)
    (tmp_path / "library.smi").write_text("".join(f"{smiles} M{n}\n" for n, smiles in enumerate(MOLECULES)))
    spectra = write_spectra(tmp_path / "spectra.mgf", *MOLECULES[:4])
    arguments = ["--spectra", str(spectra), "--library", str(tmp_path / "library.smi"),
                 "--method", "retrieval", "--checkpoint", str(checkpoint), "--blind", str(tiny_checkpoint),
                 "--mces-limit", "0", "--protocol", "whole", "--out", str(tmp_path / "out.json")]  # fmt: skip

    def row(*more: str) -> dict[str, Any]:
        main([*arguments, *more])
        metrics: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())["methods"]["retrieval"]
        return metrics

    without = row()
    assert without["ece"] is without["information_bits"] is None
    assert "--val" in without["notes"]["ece"]
    val = write_spectra(tmp_path / "val.mgf", *MOLECULES[5:12])
    fitted = row("--val", str(val), "--keep-temperatures")
    kept = row()
    for metric in ("ece", "information_bits", "temperature"):
        assert kept[metric] == pytest.approx(fitted[metric], rel=1e-3)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("magic", "The methods are random, nearest_entropy"),
        ("analogs", "need reference spectra"),
        ("blind", "name its checkpoint with --blind"),
        ("fingerprint_bce", "with --baseline NAME=FOLDER"),
    ],
)
def test_a_method_without_its_input_is_refused(method: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["--spectra", "a", "--library", "b", "--method", method, "--out", str(tmp_path / "o"),
              "--checkpoint", str(tmp_path)])  # fmt: skip


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in ("compare", "massspecgym", "generation", "collect"))


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(SystemExit, match="No command is named 'magic'"):
        main(["magic"])


def test_without_a_command_options_go_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--spectra"])
    assert "python -m models_ml.evaluate compare" in capsys.readouterr().err
