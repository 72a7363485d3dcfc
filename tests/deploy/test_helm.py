"""The Helm chart renders to valid Kubernetes objects that run what compose.yaml runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.apps import apps

from glmr_server.health import PROBLEMS
from glmr_server.serve import COMMANDS
from tests.boundaries.test_containers import known_settings
from tests.deploy.helm_templates import Chart

kubernetes_validate = pytest.importorskip("kubernetes_validate")

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "glmr"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text())
SCALED = {**VALUES, "keda": {**VALUES["keda"], "enabled": True}}


def objects(values: dict[str, Any], kind: str = "") -> list[dict[str, Any]]:
    manifests = Chart(FOLDER, values, "lab").manifests()
    return [manifest for manifest in manifests if kind in ("", manifest["kind"])]


@pytest.mark.parametrize("version", ["1.27", "1.33"])
@pytest.mark.parametrize("values", [VALUES, SCALED], ids=["plain", "scaled"])
def test_all_objects_are_valid(values: dict[str, Any], version: str) -> None:
    manifests = objects(values)
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    assert len(set(names)) == len(names)
    for manifest in manifests:
        if not manifest["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_one_deployment_for_each_process() -> None:
    commands = {
        container["command"][-1]: container["image"]
        for deployment in objects(VALUES, "Deployment")
        for container in deployment["spec"]["template"]["spec"]["containers"]
    }
    assert set(commands) == set(COMMANDS)
    assert [role for role, image in commands.items() if image == VALUES["images"]["worker"]] == ["worker"]
    text = "".join(file.read_text() for file in (FOLDER / "templates").iterdir())
    assert set(re.findall(r"glmr_server\.health, (\w+)", text)) <= set(PROBLEMS)


def test_no_container_may_write_or_become_root() -> None:
    for owner in (*objects(VALUES, "Deployment"), *objects(VALUES, "Job")):
        pod = owner["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_selectors_find_their_pods() -> None:
    for deployment in objects(VALUES, "Deployment"):
        wanted = deployment["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    [service] = objects(VALUES, "Service")
    assert service["spec"]["selector"]["app.kubernetes.io/component"] == "web"


def test_settings_exist() -> None:
    text = "".join(file.read_text() for file in FOLDER.rglob("*.*"))
    assert set(re.findall(r"GLMR_\w+", text)) <= known_settings()


def test_scaling_replaces_the_fixed_number_of_replicas() -> None:
    scalers = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in objects(SCALED, "ScaledObject")}
    assert scalers == {"lab-worker", "lab-exporter"}
    assert not objects(VALUES, "ScaledObject")
    for deployment in objects(SCALED, "Deployment"):
        assert ("replicas" in deployment["spec"]) is (deployment["metadata"]["name"] not in scalers)


@pytest.mark.django_db
def test_scaling_counts_open_rows_of_the_ledger() -> None:
    from django.db import connection

    tables = {model._meta.db_table: model for model in apps.get_app_config("annotation").get_models()}
    for scaler in objects(SCALED, "ScaledObject"):
        query = scaler["spec"]["triggers"][0]["metadata"]["query"]
        with connection.cursor() as cursor:
            cursor.execute(query)
            assert cursor.fetchone() == (0,)
        found = re.search(r"FROM (\w+) WHERE state IN \((.+)\)", query)
        assert found is not None
        states: Any = getattr(tables[found[1]], "State")  # noqa: B009, mypy does not know it
        assert set(re.findall(r"'(\w+)'", found[2])) == {states.PENDING, states.RUNNING}
