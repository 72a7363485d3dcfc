"""Reads adduct, charge and ion mode of a record, and resolves contradictions between them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from models_ml.spectra import adducts
from models_ml.spectra.formats.field_names import first_value
from models_ml.spectra.formats.items import Fault
from models_ml.spectra.spectrum import IonMode

_ADDUCT = ("adduct", "precursortype", "adducttype", "adductionname", "iontype", "ion")
_CHARGE = ("charge", "precursorcharge", "chargestate")
_ION_MODE = ("ionmode", "polarity", "ionizationmode", "ionpolarity")
_CHARGE_TEXT = re.compile(r"^([+-]?)(\d{1,2})(?:\.0{1,9})?([+-]?)$")
_CHARGE_SIGNS = re.compile(r"^(?:\+{1,9}|-{1,9})$")
_MINUS_SIGNS = str.maketrans("−–—", "---")
_ADDUCT_REMEDY = "Choose the adduct when you submit the job, or write one adduct like [M+H]+."

Ion = tuple[str | None, int | None, IonMode | None]  # adduct, signed charge, ion mode


def read_ion(values: Mapping[str, str], repairs: list[Fault]) -> Ion:
    """Adduct, signed charge and ion mode.

    If they contradict each other, the adduct wins over the ion mode and the ion mode over the charge.
    `repairs` gets a fault for each contradiction.
    """
    ion_mode = _read_ion_mode(first_value(values, _ION_MODE))
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
    for name in _ADDUCT:
        text = values.get(name, "")
        if not text or _read_ion_mode(text):  # "ION=positive"
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
    corrected = text.replace("H20", "H2O").replace("H30", "H3O")
    meant = adducts.normalise(corrected) if corrected != text else None
    return f"; did you mean {meant}, with the letter O" if meant else ""


def _read_ion_mode(text: str) -> IonMode | None:
    word = text.strip().lower()
    if word in ("positive", "pos", "p", "+", "1", "+1", "positive ion mode", "esi+"):
        return "positive"
    if word in ("negative", "neg", "n", "-", "-1", "negative ion mode", "esi-"):
        return "negative"
    return None


def _read_charge(values: Mapping[str, str], repairs: list[Fault]) -> tuple[int, int]:
    """(magnitude, sign); 0 if the file does not state it. GNPS writes a charge of 0 for unknown."""
    text = first_value(values, _CHARGE)
    pepmass = values.get("pepmass", "").split()
    if not text and len(pepmass) > 2:
        text = pepmass[2]
    if not text:
        return 0, 0
    charge = _parse_charge(text)
    if charge is None:
        repairs.append(
            Fault(
                "unknown_charge",
                f"The charge {text[:60]!r} is not a single charge, so it is ignored.",
                "Write a single charge, such as 1+ or 2-.",
            )
        )
        return 0, 0
    return charge


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
