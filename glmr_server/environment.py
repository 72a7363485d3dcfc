"""Typed reading of the environment variables that configure the server.

An invalid value is refused with the name of the variable and an example. Nothing falls back silently.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from ipaddress import ip_network
from typing import TypeVar

T = TypeVar("T")

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}


class BadSetting(Exception):
    """An invalid environment variable: its name, its value and the expected form."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        super().__init__(
            f"Environment variable {name}={value!r} is invalid: expected {expected}. "
            f"Correct it, or unset {name} to use the default."
        )


def text(name: str, default: str) -> str:
    """The value of the variable. A blank value counts as not set, as in compose files."""
    return os.environ.get(name, "").strip() or default


def _parsed(name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
    raw = text(name, "")
    if not raw:
        return default
    try:
        return parse(raw)
    except ValueError:
        raise BadSetting(name, raw, expected) from None


def flag(name: str, default: bool) -> bool:
    def parse(raw: str) -> bool:
        if raw.lower() in ("1", "true", "yes", "on"):
            return True
        if raw.lower() in ("0", "false", "no", "off"):
            return False
        raise ValueError

    return _parsed(name, default, parse, "true or false")


def whole_number(name: str, default: int, *, minimum: int = 0) -> int:
    def parse(raw: str) -> int:
        number = int(raw)
        if number < minimum:
            raise ValueError
        return number

    return _parsed(
        name, default, parse, f"a whole number of at least {minimum}, such as {max(default, minimum)}"
    )


def n_bytes(name: str, default: int) -> int:
    """A size in bytes, written as `2 GiB`, `500MB` or `1048576`."""

    def parse(raw: str) -> int:
        digits = raw.rstrip("bBkKmMgGiI ")
        unit = raw[len(digits) :].strip().upper()
        if unit not in _UNITS or int(digits) <= 0:
            raise ValueError
        return int(digits) * _UNITS[unit]

    return _parsed(name, default, parse, "a size such as 500MB or 2GiB")


def words(name: str, default: list[str]) -> list[str]:
    """Comma-separated words without surrounding blanks."""
    raw = text(name, "")
    return [word.strip() for word in raw.split(",") if word.strip()] if raw else default


def networks(name: str) -> list[str]:
    """Comma-separated IP addresses and networks."""

    def parse(raw: str) -> list[str]:
        return [str(ip_network(word.strip())) for word in raw.split(",") if word.strip()]

    return _parsed(name, [], parse, "addresses and networks such as 127.0.0.1,172.16.0.0/12")


def hosts_and_networks(name: str) -> tuple[list[str], list[str]]:
    """Comma-separated names of hosts, IP addresses and networks: the names, then the networks."""

    def parse(raw: str) -> tuple[list[str], list[str]]:
        hosts, networks = [], []
        for word in (word.strip().lower() for word in raw.split(",") if word.strip()):
            try:
                networks.append(str(ip_network(word)))
            except ValueError:
                if not all(sign.isalnum() or sign in "-._" for sign in word) or word[-1].isdigit():
                    raise
                hosts.append(word.rstrip("."))
        return hosts, networks

    nothing: tuple[list[str], list[str]] = ([], [])
    return _parsed(name, nothing, parse, "hosts and networks such as lims.example.lan,10.1.0.0/16")


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError
        return raw

    return _parsed(name, default, parse, "one of " + ", ".join(allowed))


def url(name: str, default: str, schemes: tuple[str, ...], example: str) -> str:
    def parse(raw: str) -> str:
        scheme, separator, rest = raw.partition("://")
        if scheme not in schemes or not separator or not rest:
            raise ValueError
        return raw

    return _parsed(name, default, parse, f"an address such as {example}")
