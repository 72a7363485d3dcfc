"""Watches a training for the signs by which the paper tells that the method fails. Plain numbers, no torch.

They warn and stop nothing: a short run on a small machine shows some of them honestly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LEAST_RECALL_20 = 0.20  # of the whole library, no mass window
MOST_MCES = 50.0  # mean distance of the generated molecule to the truth
LEAST_CHECKS = 3  # fewer say nothing of a trend
HALF = 0.5  # recall is judged once so much of the budget is spent


def contrastive_signs(checks: Sequence[Mapping[str, float]], spent: float) -> list[str]:
    """What the validations so far, in their order, give to worry about. `spent`: share of the budget."""
    signs: list[str] = []
    if not checks:
        return signs
    recall = checks[-1].get("val_whole_hit@20")
    if recall is not None and spent >= HALF and recall < LEAST_RECALL_20:
        signs.append(
            f"recall@20 in the whole library is {recall:.1%}, below {LEAST_RECALL_20:.0%}: "
            "pre-retrieval fails where no mass window helps it. Train longer, or with larger batches."
        )
    gaps = [check["val_cosine_gap"] for check in checks if "val_cosine_gap" in check]
    if len(gaps) >= LEAST_CHECKS and gaps[-1] >= gaps[0]:
        signs.append(
            f"the modality gap does not shrink ({gaps[0]:.3f} at the first validation, {gaps[-1]:.3f} now): "
            "spectra do not come nearer to their molecules. Lower the rate, or look at the data."
        )
    return signs


def generation_signs(mean_mces: float | None) -> list[str]:
    if mean_mces is None or mean_mces <= MOST_MCES:
        return []
    return [
        f"generated molecules lie {mean_mces:.0f} bonds from the truth on average, above {MOST_MCES:.0f}: "
        "the decoder does not follow its memory. Train it longer."
    ]
