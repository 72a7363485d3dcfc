"""Warns when training shows the signs of failure that the paper describes. Plain numbers, no torch.

A warning stops nothing: a short run on a small machine shows some of these signs without an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MIN_RECALL_20 = 0.20  # in the whole library, without a mass window
MAX_MCES = 50.0  # mean distance of the generated molecule to the truth
MIN_CHECKS = 3  # fewer validations show no trend
RECALL_CHECK_FROM = 0.5  # share of the budget after which recall is checked


def contrastive_warnings(checks: Sequence[Mapping[str, float]], spent: float) -> list[str]:
    """`checks`: validation metrics so far, in order. `spent`: used share of the budget."""
    warnings: list[str] = []
    if not checks:
        return warnings
    recall = checks[-1].get("val_whole_hit@20")
    if recall is not None and spent >= RECALL_CHECK_FROM and recall < MIN_RECALL_20:
        warnings.append(
            f"recall@20 in the whole library is {recall:.1%}, below {MIN_RECALL_20:.0%}: "
            "pre-retrieval fails without a mass window. Train longer, or with larger batches."
        )
    gaps = [check["val_cosine_gap"] for check in checks if "val_cosine_gap" in check]
    if len(gaps) >= MIN_CHECKS and gaps[-1] >= gaps[0]:
        warnings.append(
            f"the modality gap does not shrink ({gaps[0]:.3f} at the first validation, {gaps[-1]:.3f} now): "
            "spectra do not come closer to their molecules. Lower the rate, or check the data."
        )
    return warnings


def generation_warnings(mean_mces: float | None) -> list[str]:
    if mean_mces is None or mean_mces <= MAX_MCES:
        return []
    return [
        f"the mean MCES distance of generated molecules to the truth is {mean_mces:.0f}, "
        f"above {MAX_MCES:.0f}: the decoder does not follow its memory. Train it longer."
    ]
