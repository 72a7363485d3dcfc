"""Names of the evidence channels. Stored results never change, so old channel names are translated here.

This is the only place that knows an old name: every view of a result reads its evidence through
`current_names`.
"""

from __future__ import annotations

from collections.abc import Mapping

# Stored name -> current name. "explained" was easy to confuse with the page's "Intensity explained", which is
# another number: the channel is the share of the summed square-root intensity of the 32 strongest peaks that
# a fragment of the candidate explains.
LEGACY_CHANNEL_NAMES = {"explained": "fragment_coverage"}


def current_names(evidence: Mapping[str, float]) -> dict[str, float]:
    """The evidence of one candidate under the current channel names, in the stored order."""
    return {LEGACY_CHANNEL_NAMES.get(name, name): value for name, value in evidence.items()}
