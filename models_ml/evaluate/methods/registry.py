"""Every method by its name, and which of them a model's blind twin can run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from models_ml.evaluate.cases import Case
from models_ml.evaluate.methods.baselines import (
    analogs_ranking,
    nearest_cosine_ranking,
    nearest_entropy_ranking,
)
from models_ml.evaluate.methods.bench import (
    Bench,
    fused_ranking,
    glmr_ranking,
    likelihood_ranking,
    random_ranking,
    retrieval_ranking,
)
from models_ml.evaluate.methods.fingerprints import (
    BITS_ALONE,
    DECOYS,
    fingerprint_bce_ranking,
    fingerprint_decoys_ranking,
)
from models_ml.evaluate.ranking import Ranking
from models_ml.ranking.features import CHANNELS

METHODS: dict[str, Callable[[Sequence[Case], Bench], list[Ranking]]] = {
    "random": random_ranking,
    "nearest_entropy": nearest_entropy_ranking,
    "nearest_cosine": nearest_cosine_ranking,
    "analogs": analogs_ranking,
    BITS_ALONE: fingerprint_bce_ranking,
    DECOYS: fingerprint_decoys_ranking,
    "retrieval": retrieval_ranking,
    "glmr": glmr_ranking,
    "likelihood": likelihood_ranking,
    "fused": fused_ranking,
    # Ablations: what each part contributes is seen by changing it.
    "glmr-paper": partial(glmr_ranking, rerank="generated"),  # by the generated molecules alone
    "glmr-context": partial(glmr_ranking, use_candidates=False),  # the decoder sees no candidates
    **{f"glmr-k{k}": partial(glmr_ranking, n_candidates=k) for k in (10, 20, 60, 80)},
    **{f"fused-{channel}": partial(fused_ranking, without_channel=channel) for channel in CHANNELS},
}
NEED_REFERENCES = ("nearest_entropy", "nearest_cosine", "analogs")
NEED_FOLDER = (BITS_ALONE,)
# Methods that a twin trained without peaks runs as they stand; in the order in which one of them is the
# main method, whose twin is the row `blind` and the control of every method that has no twin.
WITH_TWIN = ("fused", "glmr", "retrieval", "likelihood", DECOYS)
NEED_RANKING = (DECOYS,)  # of these a twin without a ranking file is none
NEED_NETWORKS = ("glmr", "likelihood", "retrieval")  # of these a twin that is a ranking alone is none
FUSED = "fused"
BLIND = "blind"


def main_method(requested: Sequence[str]) -> str:
    """The method whose twin stands for the blind control; retrieval, the cheapest, if none is asked for."""
    mains = [name for name in WITH_TWIN if name not in NEED_RANKING]
    return next((name for name in mains if name in requested), "retrieval")
