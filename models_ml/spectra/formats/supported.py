"""The formats that the readers know, as people read them. Hints and error texts take the list from here."""

from __future__ import annotations

FORMATS = ("MGF", "MSP (NIST and RIKEN)", "MassBank", "mzML", "mzXML", "SIRIUS", "JSON")
ARCHIVES = ("gzip", "zip", "tar")


def listed(names: tuple[str, ...]) -> str:
    """Such as "gzip, zip or tar"."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


SHORT_NAMES = {name.split()[0].lower(): name.split()[0] for name in FORMATS}
"""Such as "mzml": "mzML". The keys are the stored formats of uploads."""

SUPPORTED = f"{listed(FORMATS)}, also as {listed(ARCHIVES)}"
