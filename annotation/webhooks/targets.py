"""Where webhooks may go: public addresses over HTTPS, and what the administrator allows (GLMR_WEBHOOK_ALLOW).

A name is resolved once for each try. All its addresses are checked, and the connection goes to one of them,
so a name that changes in between leads nowhere else.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]

LONGEST_URL = 500
# Addresses of IPv6 that hold one of IPv4, which is the one to check. RFC 6052 and RFC 3056.
_NAT64 = IPv6Network("64:ff9b::/96")
_TUNNELS = (
    IPv6Network("64:ff9b:1::/48"),  # NAT64 within a site: the place of the IPv4 address is not known
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("::/96"),  # IPv4-compatible, deprecated
    IPv6Network("fec0::/10"),  # site-local, deprecated
)
# A host on the administrator's list may have private addresses, and yet none of these: `127.0.0.1` of the
# server and the metadata services of clouds must be allowed by their address.
_NEVER_BY_NAME = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified", "is_reserved")


class ForbiddenTarget(Exception):
    """The address may not be called. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL, without a look at what its name resolves to."""

    scheme: str
    host: str  # without the brackets of an IPv6 address, lower case
    port: int
    path: str  # with the query

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"https": 443, "http": 80}


def read_target(url: str) -> Target:
    """The parts of a URL that may be called as far as its text says. No look-up. Raises ForbiddenTarget."""
    if len(url) > LONGEST_URL or not url.isascii() or any(sign <= " " or sign == "\x7f" for sign in url):
        raise ForbiddenTarget(
            f"Use an address of at most {LONGEST_URL} ASCII characters without blanks. Write other letters "
            "of a host in Punycode, and those of a path with %."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ForbiddenTarget("This is no address. Use one like https://lims.example.org/hooks.") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ForbiddenTarget(
            "Use an address that begins with https://, such as https://lims.example.org/hooks."
        )
    if parts.username is not None or parts.password is not None:
        raise ForbiddenTarget(
            "Leave user name and password out of the address. The signature proves who sent it."
        )
    if parts.fragment or "\\" in url:
        raise ForbiddenTarget("Leave # and \\ out of the address.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname.rstrip(".").lower()
    target = Target(parts.scheme, host, port if port is not None else _PORTS[parts.scheme], path)
    literal = _literal(host)
    if literal is not None:
        check_address(target, literal)
    elif target.scheme == "http" and not (_is_listed(host) or settings.WEBHOOK_ALLOWED_NETWORKS):
        raise _needs_https()
    return target


def resolve(host: str, port: int) -> list[str]:
    """All addresses of the host, in the order of the resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_addresses(target: Target, resolve_host: Resolve = resolve) -> list[str]:
    """The addresses that the connection may use. All are checked. Raises ForbiddenTarget or OSError.

    If a single one is forbidden, none is used: a name that mixes them is broken or hostile.
    """
    literal = _literal(target.host)
    found = [str(literal)] if literal is not None else resolve_host(target.host, target.port)
    if not found:
        raise OSError(f"{target.host} has no address")
    for text in found:
        check_address(target, ip_address(text.partition("%")[0]))
    return found


def check_address(target: Target, address: Address) -> None:
    """Raises ForbiddenTarget unless the server may connect to this address for this target."""
    real = _embedded(address)
    listed = real is not None and any(
        real in ip_network(text)
        for text in settings.WEBHOOK_ALLOWED_NETWORKS
        if ip_network(text).version == real.version
    )
    named = (
        real is not None
        and _is_listed(target.host)
        and not any(getattr(real, rule) for rule in _NEVER_BY_NAME)
    )
    if listed or named:
        return
    if real is None or not real.is_global or any(getattr(real, rule) for rule in _NEVER_BY_NAME):
        raise ForbiddenTarget(
            f"{target.host} leads to {address}, which is no public address. If it is a system of your own "
            "network, ask the administrator to add it to GLMR_WEBHOOK_ALLOW."
        )
    if target.scheme == "http":
        raise _needs_https()


def _needs_https() -> ForbiddenTarget:
    return ForbiddenTarget(
        "Use https://. Plain http:// is only for hosts and networks that the administrator lists in "
        "GLMR_WEBHOOK_ALLOW."
    )


def _is_listed(host: str) -> bool:
    return host in settings.WEBHOOK_ALLOWED_HOSTS


def _embedded(address: Address) -> Address | None:
    """The address that packets reach in the end. None if that cannot be told."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address == IPv6Address("::1") or address == IPv6Address("::"):
        return address
    return None if any(address in network for network in _TUNNELS) else address


def _literal(host: str) -> Address | None:
    """The host as an address, in every spelling that the C library would take for one."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # such as 127.1 or 0x7f000001
    except OSError:
        return None
