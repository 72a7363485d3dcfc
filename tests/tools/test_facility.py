"""The trial reads the compose files as Compose does, as far as it needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.facility.compose import interpolate, load_services, read_files
from tools.facility.trial import hide

DOCKER = Path(__file__).resolve().parents[2] / "docker"
FILES = [DOCKER / "compose.yaml", DOCKER / "compose.proxy.yaml"]
REQUIRED = {"GLMR_DATABASE_PASSWORD": "secret", "GLMR_SECRET_KEY": "key"}


def test_variables_are_replaced() -> None:
    given = {"A": "1", "EMPTY": ""}
    assert interpolate("${A}-${A:-2}-${B:-2}-${EMPTY:-3}-${B}", given) == "1-1-2-3-"
    with pytest.raises(KeyError, match="say it"):
        interpolate("${EMPTY:?say it}", given)


def test_the_second_file_changes_the_first() -> None:
    services = load_services(FILES, REQUIRED)
    assert services["web"].environment["GLMR_HTTPS"] == "true"
    assert services["web"].environment["GLMR_SECRET_KEY"] == "key"
    assert "ports" in read_files(FILES[:1])["services"]["web"]
    assert "ports" not in read_files(FILES)["services"]["web"]


def test_no_process_of_the_server_may_write_or_gain_rights() -> None:
    services = load_services(FILES, REQUIRED)
    for name in ("migrate", "web", "worker", "exporter", "beat", "proxy"):
        assert services[name].read_only, name
        assert services[name].cap_drop == ("ALL",)
        assert services[name].security_opt == ("no-new-privileges:true",)
    for name in ("migrate", "web", "worker", "exporter", "beat"):
        assert [target for _, target in services[name].volumes] == ["/data", "/tmp"]


def test_both_web_containers_trust_the_address_of_the_proxy() -> None:
    written = read_files(FILES)
    proxy = written["services"]["proxy"]["networks"]["default"]["ipv4_address"]
    assert written["services"]["web"]["environment"]["GLMR_TRUSTED_PROXIES"] == proxy
    assert written["services"]["web"]["deploy"]["replicas"] == 2


def test_passwords_of_addresses_are_hidden() -> None:
    assert hide("postgresql://glmr:secret@host:5432/glmr") == "postgresql://glmr:***@host:5432/glmr"
