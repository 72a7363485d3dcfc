"""Which addresses a webhook may lead to."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from annotation.webhooks.targets import ForbiddenTarget, checked_addresses, read_target

FORBIDDEN = (
    "0.0.0.0",  # noqa: S104
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "fec0::1"),
    # IPv4 within IPv6: mapped, compatible, NAT64, 6to4, Teredo.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::", "2001:0:7f00:1::"),
)
PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34", "64:ff9b::5db8:d822")


def leads_to(*addresses: str, url: str = "https://lims.example.org/hooks") -> list[str]:
    return checked_addresses(read_target(url), lambda host, port: list(addresses))


@pytest.mark.parametrize("address", FORBIDDEN)
def test_forbidden_addresses(address: str) -> None:
    with pytest.raises(ForbiddenTarget):
        leads_to(address)
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(ForbiddenTarget):
        read_target(f"https://{literal}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert leads_to(address) == [address]


def test_one_forbidden_address_among_public_ones_forbids_the_name() -> None:
    with pytest.raises(ForbiddenTarget):
        leads_to(PUBLIC[0], "10.0.0.1")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1."])
def test_other_spellings_of_loopback(host: str) -> None:
    with pytest.raises(ForbiddenTarget):
        read_target(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://lims.example.org/",
            "ftp://lims.example.org/",
            "//lims.example.org/",
            "https:///x",
            "x",
            "",
        ),
        *("https://user:word@lims.example.org/", "https://lims.example.org:99999/", "https://[::1/"),
        *(
            "https://lims.example.org/#part",
            "https://lims.example.org\\@10.0.0.1/",
            "https://lims.example.org/ö",
        ),
        *("https://lims.example.org/a b", "https://lims.example.org/\r\nX: y", "https://x/" + "a" * 500),
    ],
)
def test_addresses_that_are_refused_as_text(url: str) -> None:
    with pytest.raises(ForbiddenTarget):
        read_target(url)


def test_parts_of_an_address() -> None:
    target = read_target("https://LIMS.Example.org:8443/a/b?c=d")
    assert (target.host, target.port, target.path) == ("lims.example.org", 8443, "/a/b?c=d")
    assert target.host_header == "lims.example.org:8443"
    assert read_target("https://[2606:2800::1]").host_header == "[2606:2800::1]"


def test_a_listed_network_allows_its_addresses_and_http(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["10.1.0.0/16", "fd00::/8"]
    assert leads_to("10.1.2.3", url="http://lims.lan/") == ["10.1.2.3"]
    assert leads_to("::ffff:10.1.2.3", "fd00::1")
    for elsewhere in ("10.2.0.1", "127.0.0.1"):
        with pytest.raises(ForbiddenTarget):
            leads_to("10.1.2.3", elsewhere)
    with pytest.raises(ForbiddenTarget, match="https"):
        leads_to(PUBLIC[0], url="http://lims.example.org/")


def test_a_listed_host_may_be_private_but_never_loopback_or_link_local(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_HOSTS = ["lims.lan"]
    assert leads_to("192.168.1.5", url="http://lims.lan/")
    for address in ("127.0.0.1", "169.254.169.254", "::1", "224.0.0.1", "::"):
        with pytest.raises(ForbiddenTarget):
            leads_to(address, url="http://lims.lan/")
    with pytest.raises(ForbiddenTarget):
        leads_to("192.168.1.5", url="https://other.lan/")
