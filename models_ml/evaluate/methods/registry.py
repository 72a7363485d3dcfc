"""All methods by name, and those that a blind twin can run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from models_ml.evaluate.cases import Case
from models_ml.evaluate.methods.context import MethodContext
from models_ml.evaluate.methods.fingerprint_methods import (
    BCE,
    DECOYS,
    fingerprint_bce_ranking,
    fingerprint_decoys_ranking,
)
from models_ml.evaluate.methods.model_methods import (
    fused_ranking,
    glmr_ranking,
    likelihood_ranking,
    retrieval_ranking,
)
from models_ml.evaluate.methods.reference_methods import (
    analogs_ranking,
    nearest_cosine_ranking,
    nearest_entropy_ranking,
    random_ranking,
)
from models_ml.evaluate.ranking import Ranking
from models_ml.ranking.features import CHANNELS

METHODS: dict[str, Callable[[Sequence[Case], MethodContext], list[Ranking]]] = {
    "random": random_ranking,
    "nearest_entropy": nearest_entropy_ranking,
    "nearest_cosine": nearest_cosine_ranking,
    "analogs": analogs_ranking,
    BCE: fingerprint_bce_ranking,
    DECOYS: fingerprint_decoys_ranking,
    "retrieval": retrieval_ranking,
    "glmr": glmr_ranking,
    "likelihood": likelihood_ranking,
    "fused": fused_ranking,
    # Ablations: each changes one part.
    "glmr-paper": partial(glmr_ranking, rerank="generated"),  # ranks by generated molecules only
    "glmr-context": partial(glmr_ranking, use_candidates=False),  # the decoder sees no candidates
    **{f"glmr-k{k}": partial(glmr_ranking, n_candidates=k) for k in (10, 20, 60, 80)},
    **{f"fused-{channel}": partial(fused_ranking, without_channel=channel) for channel in CHANNELS},
}
NEED_REFERENCES = ("nearest_entropy", "nearest_cosine", "analogs")
NEED_FOLDER = (BCE,)
# Methods that a twin trained without peaks can run. The first requested one is the main method: its twin is
# the row `blind`, and the control of every method that has no twin.
WITH_TWIN = ("fused", "glmr", "retrieval", "likelihood", DECOYS)
NEED_RANKING = (DECOYS,)  # a twin can run these only with a ranking file
NEED_NETWORKS = ("glmr", "likelihood", "retrieval")  # a twin can run these only with networks
FUSED = "fused"
BLIND = "blind"


def main_method(requested: Sequence[str]) -> str:
    """The method whose twin is the blind control. If none is requested: retrieval, which is the fastest."""
    mains = [name for name in WITH_TWIN if name not in NEED_RANKING]
    return next((name for name in mains if name in requested), "retrieval")
