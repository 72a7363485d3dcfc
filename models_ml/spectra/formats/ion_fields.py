"""Reads adduct, charge and ion mode of a record, and resolves contradictions between them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from models_ml.spectra import adducts
from models_ml.spectra.formats.field_names import ADDUCT, CHARGE, ION_MODE, all_values
from models_ml.spectra.formats.items import Fault
from models_ml.spectra.spectrum import IonMode

_CHARGE_TEXT = re.compile(r"^([+-]?)(\d{1,2})(?:\.0{1,9})?([+-]?)$")
_POSITIVE = re.compile(r"(?:^|[^a-z])pos(?:iti[vf][eo]?|\.)?(?:[^a-z]|$)")
_NEGATIVE = re.compile(r"(?:^|[^a-z])n[eé]g(?:ati[vf][eo]?|\.)?(?:[^a-z]|$)")
_SIGNED_MODE = re.compile(r"^(?:(?:lc[- /])?(?:hesi|esi|apci|appi|maldi|nsi|dart)[- ]?)?\(?([+-])\)?(?:ve)?$")
_CHARGE_SIGNS = re.compile(r"^(?:\+{1,9}|-{1,9})$")
_MINUS_SIGNS = str.maketrans("−–—", "---")
_ADDUCT_REMEDY = "Choose the adduct when you submit the job, or write one adduct like [M+H]+."

Ion = tuple[str | None, int | None, IonMode | None]  # adduct, signed charge, ion mode


def read_ion(values: Mapping[str, str], repairs: list[Fault]) -> Ion:
    """Adduct, signed charge and ion mode.

    If they contradict each other, the adduct wins over the ion mode and the ion mode over the charge.
    `repairs` gets a fault for each contradiction.
    """
    ion_mode = _agreed_ion_mode(values, repairs)
    magnitude, sign = _read_charge(values, repairs)
    adduct = _read_adduct(values, ion_mode, repairs)
    if adduct is not None:
        charge = adducts.parse(adduct).charge
        of_adduct: IonMode = "positive" if charge > 0 else "negative"
        if ion_mode is not None and ion_mode != of_adduct:
            repairs.append(_contradiction(f"ion mode {ion_mode}", f"adduct {adduct}"))
        if magnitude and (magnitude != abs(charge) or (sign and sign != math.copysign(1, charge))):
            repairs.append(_contradiction(f"charge {sign * magnitude or magnitude:+d}", f"adduct {adduct}"))
        return adduct, charge, of_adduct
    if ion_mode is None:
        if sign:
            ion_mode = "positive" if sign > 0 else "negative"
        return None, (sign or 1) * magnitude or None, ion_mode
    mode_sign = 1 if ion_mode == "positive" else -1
    if magnitude and sign and sign != mode_sign:
        repairs.append(_contradiction(f"charge {sign * magnitude:+d}", f"ion mode {ion_mode}"))
    return None, mode_sign * magnitude or None, ion_mode


def _contradiction(loser: str, winner: str) -> Fault:
    return Fault(
        "contradiction", f"The {loser} contradicts the {winner}; the {winner} is used.",
        "Correct the file, or choose the adduct when you submit the job.",
    )  # fmt: skip


def _read_adduct(values: Mapping[str, str], ion_mode: IonMode | None, repairs: list[Fault]) -> str | None:
    """The adduct that the fields agree on, or None."""
    found: dict[str, str] = {}
    unknown = ""
    for text in all_values(values, ADDUCT):
        if "M" not in text and _read_ion_mode(text):  # "ION=positive"
            continue
        adduct = adducts.normalise(text, ion_mode)
        if adduct is None:
            unknown = unknown or text
        else:
            found[adduct] = text
    if len(found) > 1:
        reason = f"The record states different adducts ({', '.join(found)}); none of them is used."
        repairs.append(Fault("several_adducts", reason, _ADDUCT_REMEDY))
        return None
    if found:
        return next(iter(found))
    if unknown:
        reason = f"The adduct {unknown[:60]!r} is not understood{_suggestion(unknown)}."
        repairs.append(Fault("unknown_adduct", reason, _ADDUCT_REMEDY))
    return None


def _suggestion(text: str) -> str:
    """The likely meaning of an adduct with the digit 0 for the letter O."""
    corrected = text.replace("H20", "H2O").replace("H30", "H3O").replace("C00", "COO")
    meant = adducts.normalise(corrected) if corrected != text else None
    return f"; did you mean {meant}, with the letter O" if meant else ""


def _agreed_ion_mode(values: Mapping[str, str], repairs: list[Fault]) -> IonMode | None:
    modes = {mode for text in all_values(values, ION_MODE) if (mode := _read_ion_mode(text))}
    if len(modes) > 1:
        reason = "The record states both ion modes, positive and negative; neither is used."
        repairs.append(Fault("contradiction", reason, "Correct the file."))
        return None
    return next(iter(modes), None)


@lru_cache(maxsize=128)
def _read_ion_mode(text: str) -> IonMode | None:
    """The ion mode of "Positive", "neg.", "ESI+", "LC-ESI-NEG", "négatif" and "-1"."""
    word = text.strip().lower().translate(_MINUS_SIGNS)
    if word in ("p", "1", "+1"):
        return "positive"
    if word in ("n", "-1"):
        return "negative"
    if signed := _SIGNED_MODE.match(word):
        return "positive" if signed[1] == "+" else "negative"
    is_positive, is_negative = _POSITIVE.search(word), _NEGATIVE.search(word)
    if is_positive and is_negative:
        return None
    return "positive" if is_positive else "negative" if is_negative else None


def _read_charge(values: Mapping[str, str], repairs: list[Fault]) -> tuple[int, int]:
    """(magnitude, sign); 0 if the file does not state it. GNPS writes a charge of 0 for unknown."""
    texts = all_values(values, CHARGE)
    of_pepmass = _charge_of_pepmass(values.get("pepmass", ""))
    if not texts and of_pepmass:
        texts = [of_pepmass]
    charges = {text: _parse_charge(text) for text in texts if text != "-"}
    remedy = "Write a single charge, such as 1+ or 2-."
    for text, charge in charges.items():
        if charge is None:
            reason = f"The charge {text[:60]!r} is not a single charge, so it is ignored."
            repairs.append(Fault("unknown_charge", reason, remedy))
            return 0, 0
    magnitudes = {charge[0] for charge in charges.values() if charge and charge[0]}
    signs = {charge[1] for charge in charges.values() if charge and charge[1]}
    if len(magnitudes) > 1 or len(signs) > 1:
        reason = f"The record states different charges ({', '.join(charges)[:60]}); none of them is used."
        repairs.append(Fault("several_charges", reason, remedy))
        return 0, 0
    charge = next(iter(magnitudes), 0), next(iter(signs), 0)
    other = _parse_charge(of_pepmass) if of_pepmass else None
    if other and charge[0] and other[0] and (other[0] != charge[0] or other[1] * charge[1] < 0):
        repairs.append(_contradiction(f"charge {of_pepmass} of PEPMASS", f"charge {texts[0]}"))
    return charge


def _charge_of_pepmass(pepmass: str) -> str:
    """The charge behind the m/z and the intensity, or behind the m/z if it has a sign: "281.2 2+"."""
    words = re.split(r"[ \t]+", pepmass.strip())  # other blanks group digits
    if "\n" in pepmass or len(words) < 2:
        return ""
    if len(words) == 2:
        return words[1] if words[1].lstrip("0123456789") in ("+", "-") else ""
    return words[2]


@lru_cache(maxsize=128)
def _parse_charge(text: str) -> tuple[int, int] | None:
    """(magnitude, sign) of "2", "2+", "-1", "-1-", "(1+)", "1.0" and "++"; None for other text."""
    text = re.sub(r"[ ()]", "", text).translate(_MINUS_SIGNS)
    if _CHARGE_SIGNS.match(text):
        return len(text), 1 if text[0] == "+" else -1
    charge = _CHARGE_TEXT.match(text)
    if not charge:
        return None
    before, digits, after = charge.groups()
    if before and after and before != after:
        return None
    return int(digits), {"+": 1, "-": -1, "": 0}[before or after]
