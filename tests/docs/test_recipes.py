"""The recipes of the how-to guides work: the request of a LIMS, and options of training and evaluation."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from annotation.accounts.models import ApiToken
from annotation.accounts.tokens import issue
from annotation.libraries.models import Library
from models_ml.evaluate import __main__ as evaluate
from models_ml.training.command_line import COMMANDS, read_options
from tests.annotation.builders import make_library_version, make_model_version, make_project, make_user

SHELL_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def shell_lines(file: Path) -> list[list[str]]:
    """The commands of a page, with continued lines joined, each as a list of words."""
    blocks = [match[2] for match in SHELL_BLOCK.finditer(file.read_text(encoding="utf-8"))]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def commands(file: Path, module: str) -> list[list[str]]:
    """The arguments of each `python -m MODULE` of a page."""
    prefix = ["python", "-m", module]
    return [words[3:] for words in shell_lines(file) if words[:3] == prefix]


def test_the_options_of_training_exist(docs: Path) -> None:
    pytest.importorskip("tyro")
    found = commands(docs / "how-to" / "train-a-checkpoint.md", "models_ml.training")
    assert len(found) > 5
    for name, *options in found:
        if name != "--help" and "--help" not in options and "--settings" not in options:
            read_options(COMMANDS[name], options, name)


def test_the_options_of_the_evaluation_exist(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = commands(docs / "how-to" / "evaluate.md", "models_ml.evaluate")
    assert len(found) > 3
    for words in found:
        command = words[0] if words[0] in evaluate.COMMANDS else evaluate.DEFAULT_COMMAND
        with pytest.raises(SystemExit):
            evaluate.main([command, "--help"])
        described = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert {word for word in words if word.startswith("--")} <= described


def test_the_request_of_a_lims_is_accepted(docs: Path, db: None) -> None:
    text = (docs / "how-to" / "connect-a-lims.md").read_text(encoding="utf-8")
    body = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    project, user = make_project(), make_user("lims", is_superuser=True)
    library = Library.objects.create(name=body["library"])
    make_library_version(library=library, model_version=make_model_version(is_default=True))
    scopes = [ApiToken.Scope.READ, ApiToken.Scope.SUBMIT]
    _, secret = issue(project=project, user=user, name="LIMS", scopes=scopes)
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": body["external_id"]}

    def post(content: dict[str, Any]) -> Any:
        return Client().post(
            "/api/v1/jobs", json.dumps(content), content_type="application/json", headers=headers
        )

    first, again = post(body), post(body)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.headers["Location"].endswith(first.json()["id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert post(body | {"name": "Another order"}).status_code == 422
