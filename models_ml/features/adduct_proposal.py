"""Proposes the adduct of a feature from the ions that elute with it, unless two adducts fit.

The rule. A partner counts if at least half of the surveys of the feature show it. An adduct is proposed if
1. at least one *specific* pair supports it: exchanges of cations or anions and dimers. Differences of water,
   ammonia and acids do not count, because molecules also lose them, and the partner is then another ion; and
2. no specific pair supports another adduct; and
3. the precursor is not an isotope peak; and
4. the scan is not so crowded that chance explains the partners. Matches at shifted m/z give the number that
   chance finds (`Survey.chance_partners`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from models_ml.spectra.ms1 import is_specific
from models_ml.spectra.survey import AdductEvidence, Survey

# Largest probability that chance alone gives an adduct as many specific partners.
_MAX_CHANCE = 0.1
# Adducts that compete: about as many are looked for in each polarity.
_N_ADDUCTS = 7


@dataclass(frozen=True, slots=True)
class AdductProposal:
    """An adduct that MS1 supports. A person must accept it; nothing is filled in silently."""

    adduct: str
    reason: str  # the evidence as one sentence
    evidence: tuple[AdductEvidence, ...]  # of each partner that counts, that with the smallest error


def propose_adduct(surveys: Sequence[Survey]) -> AdductProposal | None:
    """The only adduct that the surveys of one feature support, or None."""
    usable = [survey for survey in surveys if survey.isotope_mz.size]
    if not usable or any(survey.selected_isotope for survey in usable):
        return None
    found: dict[tuple[str, str], list[AdductEvidence]] = defaultdict(list)
    for survey in usable:
        for evidence in survey.adduct_evidence:
            found[evidence.adduct, evidence.partner_adduct].append(evidence)
    counted = {pair: seen for pair, seen in found.items() if 2 * len(seen) >= len(usable)}
    supported = {adduct for adduct, partner in counted if is_specific(adduct, partner)}
    if len(supported) != 1:
        return None
    adduct = next(iter(supported))
    n_specific = sum(of == adduct and is_specific(of, partner) for of, partner in counted)
    density = sum(survey.chance_partners for survey in usable) / len(usable)
    if _chance(n_specific, density) > _MAX_CHANCE:
        return None
    best = tuple(
        min(seen, key=lambda evidence: abs(evidence.ppm)) for (of, _), seen in counted.items() if of == adduct
    )
    partners = ", ".join(
        f"{evidence.partner_adduct} at m/z {evidence.partner_mz:.4f} ({evidence.ppm:+.1f} ppm, "
        f"{evidence.relative_intensity:.0%} of the precursor)"
        for evidence in best
    )
    return AdductProposal(adduct, f"MS1 shows other ions of the same molecule: {partners}.", best)


def _chance(n_partners: int, chance_partners: float) -> float:
    """Probability that one of the adducts has this many partners by chance, in a scan with this density."""
    mean = chance_partners / _N_ADDUCTS
    fewer = sum(math.exp(-mean) * mean**count / math.factorial(count) for count in range(n_partners))
    return min(1.0, _N_ADDUCTS * (1.0 - fewer))
