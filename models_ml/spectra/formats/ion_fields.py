"""Reads adduct, charge and ion mode of a record, and resolves contradictions between them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from models_ml.spectra import adducts
from models_ml.spectra.formats.field_names import first_value
from models_ml.spectra.formats.items import Fault
from models_ml.spectra.spectrum import IonMode

_ADDUCT = ("adduct", "precursortype", "adducttype", "adductionname", "iontype")
_CHARGE = ("charge", "precursorcharge", "chargestate")
_ION_MODE = ("ionmode", "polarity", "ionizationmode", "ionpolarity")
_CHARGE_TEXT = re.compile(r"^(?:([+-]?)(\d{1,2})|(\d{1,2})([+-])|([+-]))$")

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
    text = first_value(values, _ADDUCT)
    if not text:
        return None
    adduct = adducts.normalise(text, ion_mode)
    if adduct is None:
        repairs.append(
            Fault(
                "unknown_adduct",
                f"The adduct {text[:60]!r} is not understood.",
                "Choose the adduct when you submit the job, or write it like [M+H]+.",
            )
        )
    return adduct


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
    charge = _CHARGE_TEXT.match(text.replace(" ", ""))
    if not charge:
        repairs.append(
            Fault(
                "unknown_charge",
                f"The charge {text[:60]!r} is not a single charge, so it is ignored.",
                "Write a single charge, such as 1+ or 2-.",
            )
        )
        return 0, 0
    sign_first, digits, digits_first, sign_last, sign_only = charge.groups()
    sign = sign_first or sign_last or sign_only or ""
    return int(digits or digits_first or 1), {"+": 1, "-": -1, "": 0}[sign]
