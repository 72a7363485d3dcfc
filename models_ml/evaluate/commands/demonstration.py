"""The command `demonstration`: how many rank-1 answers of the demonstration are right, with the controls."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import as_file
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_ml.checkpoint_info import BrokenCheckpoint
from models_ml.demonstration.files import LIBRARY, SPECTRA, published_answer
from models_ml.evaluate.cases import Case, remove_peaks
from models_ml.evaluate.commands.arguments import DEFAULT_CHECKPOINT, program, set_threads
from models_ml.evaluate.groups import Group, exchange_groups, group_cases
from models_ml.evaluate.library import Library, read_library
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evaluate.methods.group_evidence import collect_groups
from models_ml.evaluate.methods.group_ranking import group_rankings
from models_ml.evaluate.methods.runs import blind_context, load_twin
from models_ml.evaluate.protocols import with_candidates
from models_ml.evaluate.ranking import Ranking
from models_ml.evaluate.reports.markdown import table
from models_ml.evaluate.vectors import MoleculeVectors
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.molecules.standardise import identify
from models_ml.outcomes import AnnotateParams
from models_ml.spectra.formats import SpectrumIssue, read_spectra


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=program("demonstration"),
        description="Prints how many rank-1 answers of the demonstration are right, beside the controls.",
    )
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: chosen by torch")
    parser.add_argument("--cache", type=Path, help="folder that keeps the library and embeddings")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    try:
        model = load_checkpoint(args.checkpoint, device=args.device)
        print(report(model, args.cache))
    except (BrokenCheckpoint, ValueError, OSError) as error:
        raise SystemExit(f"The evaluation failed: {error}") from error


def report(model: GlmrModel, cache: Path | None) -> str:
    """A table: features whose molecule the library has, then those without. Ranks as the server's `fused`."""
    params = AnnotateParams()
    with as_file(LIBRARY) as path:
        library = read_library(path, seed=0, cache=cache)
    cases = with_candidates(_cases(), library, "precursor", params, max_peaks=model.network.config.max_peaks)
    groups = group_cases(cases)
    context = MethodContext(model, library, MoleculeVectors(model, library, cache), params)
    rankings = {"fused": _rankings(groups, context)}
    twin = load_twin(model, None)
    if twin is not None:
        without_peaks = [replace(group, cases=tuple(remove_peaks(group.cases))) for group in groups]
        rankings["blind twin"] = _rankings(without_peaks, blind_context(context, twin))
    rankings["shuffled peaks"] = _rankings(exchange_groups(groups), context)
    is_listed = np.array([library.key_of(group.compound) is not None for group in groups], bool)
    return _text(rankings, is_listed, library, groups)


def _cases() -> list[Case]:
    """Raises ValueError if a spectrum has no published answer."""
    cases = []
    with as_file(SPECTRA) as path:
        spectra = [item for item in read_spectra(path) if not isinstance(item, SpectrumIssue)]
    for spectrum in spectra:
        answer = published_answer(spectrum.title)
        truth = identify(answer.smiles) if answer else None
        if truth is None:
            raise ValueError(f"The spectrum {spectrum.title} has no usable structure among the answers.")
        cases.append(Case(spectrum, truth))
    return cases


def _rankings(groups: Sequence[Group], context: MethodContext) -> list[Ranking]:
    return group_rankings(groups, collect_groups(groups, context, None, "evidence"), context)


def _text(
    rankings: dict[str, list[Ranking]],
    is_listed: NDArray[np.bool_],
    library: Library,
    groups: Sequence[Group],
) -> str:
    n_listed, n_absent = int(is_listed.sum()), int((~is_listed).sum())
    rows = [
        [name, *_counts(of_method, is_listed, n_listed), _abstained(of_method, ~is_listed, n_absent)]
        for name, of_method in rankings.items()
    ]
    sizes = np.array([len(group.keys) for group in groups])
    head = (
        f"{len(groups)} features, {len(library):,} structures; {int(np.median(sizes))} candidates at the "
        f"median, {sizes.min()} to {sizes.max()}. Lines `blind twin` and `shuffled peaks` are controls: what "
        "they get right does not come from the peaks.\n"
    )
    headings = [
        "method",
        "rank 1 right",
        "among 5",
        "mean stated P(right)",
        'right, but "none of these"',
        'not in the library, "none of these"',
    ]
    return f"{head}\n{table(headings, rows)}"


def _counts(rankings: Sequence[Ranking], is_listed: NDArray[np.bool_], n_listed: int) -> list[str]:
    ranks = np.array([ranking.rank for ranking in rankings])[is_listed]
    stated = np.array([ranking.p_right or 0.0 for ranking in rankings])[is_listed]
    abstains = np.array([bool(ranking.abstains) for ranking in rankings])[is_listed]
    right = ranks <= 1
    return [
        f"{int(right.sum())} of {n_listed} ({right.mean():.0%})",
        f"{int((ranks <= 5).sum())} of {n_listed}",
        f"{stated.mean():.0%}",
        f"{int((right & abstains).sum())}",
    ]


def _abstained(rankings: Sequence[Ranking], is_absent: NDArray[np.bool_], n_absent: int) -> str:
    abstains = np.array([bool(ranking.abstains) for ranking in rankings])[is_absent]
    return f"{int(abstains.sum())} of {n_absent}"
