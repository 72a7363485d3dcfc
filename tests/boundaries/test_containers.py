"""The container files refer only to settings, commands and files that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from glmr_server.health import PROBLEMS
from glmr_server.serve import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
# Read by compose, which makes other settings of them or the port of the host.
COMPOSE_ONLY = {"GLMR_DATABASE_PASSWORD", "GLMR_PUBLISH", "GLMR_PROXY_HTTP", "GLMR_PROXY_HTTPS"}


def known_settings() -> set[str]:
    read = re.compile(r'env\.\w+\(\s*"(GLMR_\w+)"')
    return {name for file in (ROOT / "glmr_server").glob("*.py") for name in read.findall(file.read_text())}


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_services_set_only_settings_that_are_read(name: str) -> None:
    environment = COMPOSE["services"][name].get("environment", {})
    assert {key for key in environment if key.startswith("GLMR_")} <= known_settings()


@pytest.mark.parametrize(
    "file", [*DOCKERFILES, *sorted(DOCKER.glob("compose*.yaml")), DOCKER / "env.example"]
)
def test_every_variable_exists(file: Path) -> None:
    assert set(re.findall(r"GLMR_\w+", file.read_text())) <= known_settings() | COMPOSE_ONLY


def test_every_required_variable_is_in_the_example() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", (DOCKER / "compose.yaml").read_text()))
    assert required <= set(re.findall(r"^(\w+)=", (DOCKER / "env.example").read_text(), re.MULTILINE))


def test_containers_run_the_same_commands_as_make_run() -> None:
    text = "".join(file.read_text() for file in (*DOCKERFILES, DOCKER / "compose.yaml"))
    roles = re.findall(r'"-m", "glmr_server\.(serve|health)", "(\w+)"', text)
    assert {role for module, role in roles if module == "serve"} == set(COMMANDS)
    assert {role for module, role in roles if module == "health"} == set(PROBLEMS)


def test_everything_copied_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for file in DOCKERFILES:
        for source in re.findall(r"^COPY (?!--from)(\S+) ", file.read_text(), re.MULTILINE):
            assert (ROOT / source).exists(), source
            assert source in kept or f"{Path(source).parent}/*{Path(source).suffix}" in kept, source


def test_only_the_worker_has_torch() -> None:
    assert "torch" not in (ROOT / "requirements" / "web.lock").read_text().split("\n", 1)[1]
    assert "worker.lock" not in (DOCKER / "web.Dockerfile").read_text()


def test_long_running_services_wait_for_the_tables_and_are_watched() -> None:
    for name in ("web", "worker", "exporter", "beat"):
        service = COMPOSE["services"][name]
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert service["restart"] == "unless-stopped"
    for name in ("postgres", "redis"):
        assert COMPOSE["services"][name]["healthcheck"]["test"]
