"""Groups of spectra: which belong together, their evidence, their controls and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.__main__ import main
from models_ml.evaluate.groups import contributor, draw_compounds, exchange_groups, group_cases
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evaluate.methods.group_evidence import collect_groups
from models_ml.evaluate.methods.group_ranking import group_rankings, single_rankings
from models_ml.evaluate.protocols import with_candidates
from models_ml.evaluate.vectors import MoleculeVectors
from models_ml.inference.annotate import annotate
from models_ml.inference.checkpoint import load_checkpoint
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.outcomes import Annotated, AnnotateParams
from models_ml.ranking.pool import agreement_of, pool_embeddings, pool_probabilities
from tests.models_ml.test_evaluate import make_cases, make_library, write_spectra
from tests.models_ml.test_fused import ISOMERS, SHIPPED

PARAMS = AnnotateParams(generate=False)


def test_the_contributor_is_part_of_the_accession() -> None:
    assert contributor("MSBNK-Eawag-EA000401") == "Eawag"
    assert contributor("CASMI_2016_0012") == "CASMI_2016_"


def test_spectra_of_another_ion_or_contributor_are_another_group() -> None:
    cases = [replace(case, keys=np.array([1])) for case in make_cases(*ISOMERS[:2])]
    other_adduct = replace(cases[0], spectrum=replace(cases[0].spectrum, adduct="[M+Na]+"))
    other_lab = replace(cases[0], spectrum=replace(cases[0].spectrum, title="MSBNK-Eawag-EA1"))
    without_candidates = replace(cases[0], keys=np.array([], np.int64))
    groups = group_cases([*cases, other_adduct, other_lab, without_candidates])
    assert [len(group.cases) for group in groups] == [2, 2, 1, 1]


def test_a_draw_takes_whole_compounds() -> None:
    drawn = draw_compounds(make_cases(*ISOMERS), 5, seed=0)
    assert len(drawn) == 4
    assert len({case.compound for case in drawn}) == 2


def test_exchanged_groups_have_the_peaks_of_one_other_compound() -> None:
    cases = [replace(case, keys=np.array([1])) for case in make_cases(*ISOMERS[:3])]
    groups = group_cases(cases)
    for group, exchanged in zip(groups, exchange_groups(groups), strict=True):
        donors = {
            case.compound
            for case in cases
            for taken in exchanged.cases
            if case.spectrum.mz is taken.spectrum.mz
        }
        assert len(donors) == 1
        assert group.compound not in donors


def test_one_member_keeps_its_probabilities_and_the_order_of_members_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    members = list(rng.dirichlet(np.ones(6), 4))
    assert pool_probabilities(members[:1]) is members[0]
    pooled = pool_probabilities(members)
    assert pooled.sum() == pytest.approx(1)
    assert pooled.tolist() == pool_probabilities(members[::-1]).tolist()
    embeddings = [row.astype(np.float32) for row in rng.normal(size=(3, 8))]
    assert pool_embeddings(embeddings).tolist() == pool_embeddings(embeddings[::-1]).tolist()


def test_equal_members_keep_their_probabilities_and_certain_ones_do_not_exclude() -> None:
    member = np.array([0.6, 0.3, 0.05, 0.05])
    assert pool_probabilities([member, member, member]) == pytest.approx(member)
    pooled = pool_probabilities([np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])])
    assert np.isfinite(pooled).all()
    assert pooled[0] == pytest.approx(pooled[1])


def test_members_that_disagree_are_sharpened_without_changing_the_order() -> None:
    rng = np.random.default_rng(1)
    for n_members in (2, 5):
        members = list(rng.dirichlet(np.ones(6), n_members))
        flat, pooled = pool_probabilities(members, sharpening=0.0), pool_probabilities(members)
        assert np.argsort(flat[:-1]).tolist() == np.argsort(pooled[:-1]).tolist()
        assert pooled[:-1].max() > flat[:-1].max()
        assert pooled[-1] == pytest.approx(flat[-1])


def test_agreement() -> None:
    first, second = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    assert agreement_of(np.log(first)) == pytest.approx(1)
    expected = np.sqrt(first * second).sum()
    assert agreement_of((np.log(first) + np.log(second)) / 2) == pytest.approx(expected)


def test_groups_and_single_spectra_rank_as_annotate_does(tmp_path: Path) -> None:
    """The evaluation collects evidence once and pools it later. The server does both at once."""
    model, library = load_checkpoint(SHIPPED), make_library(*ISOMERS)
    cases = with_candidates(make_cases(*ISOMERS), library, "precursor", PARAMS, max_peaks=64)
    context = MethodContext(model, library, MoleculeVectors(model, library), PARAMS)
    groups = group_cases(cases)
    evidence = collect_groups(groups, context, tmp_path, "first")
    stored = collect_groups(groups, context, tmp_path, "from the cache")
    index = InMemoryLibrary(library.molecules, context.vectors.values)
    for inputs, rankings in (
        ([group.feature for group in groups], group_rankings(groups, stored, context)),
        ([case.spectrum for group in groups for case in group.cases],
         single_rankings(groups, evidence, context)),
    ):  # fmt: skip
        outcomes = annotate(inputs, model=model, retrieve=index.retrieve, params=PARAMS)
        for outcome, ranking in zip(outcomes, rankings, strict=True):
            assert isinstance(outcome, Annotated)
            assert [candidate.key for candidate in outcome.candidates] == ranking.keys.tolist()
            assert outcome.confidence is not None
            assert outcome.confidence.p_right == pytest.approx(ranking.p_right, abs=2e-4)
            assert outcome.confidence.p_absent == pytest.approx(ranking.p_absent, abs=2e-4)


def test_the_commands_report_groups_beside_single_spectra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spectra = write_spectra(tmp_path / "spectra.mgf", *ISOMERS)
    references = write_spectra(tmp_path / "references.mgf", "CCCCCCCCOC(=O)c1ccccc1", "CCOC(=O)c1ccccc1")
    library = tmp_path / "library.smi"
    library.write_text("".join(f"{smiles} M{n}\n" for n, smiles in enumerate(ISOMERS)))
    shared = ["--spectra", str(spectra), "--library", str(library), "--references", str(references)]
    main(["compare", "--group", *shared, "--out", str(tmp_path / "out.json")])
    report = json.loads((tmp_path / "out.json").read_text())
    names = ["fused", "fused, single spectra", "fused-analogs", "fused-analogs, single spectra"]
    assert list(report["methods"]) == names
    assert report["n_members"] == {"1": 0, "2": len(ISOMERS), "3-4": 0, "5+": 0}
    for row in report["methods"].values():
        assert row["n_groups"] == len(ISOMERS)
        assert row["n_spectra"] == 2 * len(ISOMERS)
        for name in ("hit@1", "blind_hit@1", "shuffled_hit@1", "lift@1", "ece", "absent_auc"):
            assert row[name] is not None
    grouped, single = (report["methods"][name]["hit@1"] for name in names[:2])
    assert report["differences"]["fused"]["all"]["difference"] == pytest.approx(grouped - single, abs=2e-4)
    assert "by number of members" in (tmp_path / "out.md").read_text()
    main(["pooling", *shared])
    printed = capsys.readouterr().out
    assert "| exponent 1 |" in printed
    assert "| fitted: " in printed
    assert "unions" in printed


@pytest.mark.parametrize("option", [["--method", "retrieval"], ["--val", "val.mgf"]])
def test_group_refuses_options_that_it_would_ignore(option: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--group"):
        main(["--group", "--spectra", "a", "--library", "b", "--out", str(tmp_path / "o.json"), *option])
