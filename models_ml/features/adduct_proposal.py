"""Proposes the adduct of a feature from the ions that elute with it, unless two adducts fit.

The rule. A partner counts if at least half of the surveys of the feature show it. An adduct is proposed if
1. at least one *specific* pair supports it: exchanges of cations or anions and dimers. Differences of water,
   ammonia and acids do not count, because molecules also lose them, and the partner is then another ion; and
2. no specific pair supports another adduct; and
3. the precursor is not an isotope peak.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from models_ml.spectra.survey import AdductEvidence, Survey

_SPECIFIC = (
    frozenset({"[M+H]+", "[M+Na]+", "[M+K]+", "[2M+H]+", "[2M+Na]+"}),
    frozenset({"[M+NH4]+", "[M+Na]+", "[M+K]+"}),
    frozenset({"[M-H]-", "[M+Cl]-", "[2M-H]-"}),
    frozenset({"[M+HCOO]-", "[M+Cl]-"}),
    frozenset({"[M+CH3COO]-", "[M+Cl]-"}),
)


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
    best = tuple(
        min(seen, key=lambda evidence: abs(evidence.ppm)) for (of, _), seen in counted.items() if of == adduct
    )
    partners = ", ".join(
        f"{evidence.partner_adduct} at m/z {evidence.partner_mz:.4f} ({evidence.ppm:+.1f} ppm, "
        f"{evidence.relative_intensity:.0%} of the precursor)"
        for evidence in best
    )
    return AdductProposal(adduct, f"MS1 shows other ions of the same molecule: {partners}.", best)


def is_specific(adduct: str, partner: str) -> bool:
    """Whether the difference in mass of two adducts is rare between different molecules."""
    return any(adduct in pairs and partner in pairs for pairs in _SPECIFIC)
