"""What one worker process holds: its name, its device, the loaded model and references, the stop request.

It holds one model and one collection of references at a time. Loading a model takes about a second, and two
might not fit on a GPU. A collection takes some hundred megabytes.
"""

from __future__ import annotations

import os
import socket
import threading
from functools import cached_property
from pathlib import Path

import torch
from rdkit import rdBase
from safetensors import SafetensorError

from annotation.checkpoints.models import ModelVersion
from annotation.results.record import Provenance
from models_ml.checkpoint_info import BrokenCheckpoint
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.spectra.preprocess import PREPROCESS_VERSION
from worker import device, references
from worker.code_version import code_version


class ModelUnavailable(Exception):
    """This worker cannot load the model of a job. Another worker may be able to."""

    def __init__(self, version: ModelVersion, reason: str) -> None:
        super().__init__(reason)
        self.model_version_id = version.pk


class Runtime:
    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.stopping = threading.Event()
        self._loaded: GlmrModel | None = None
        self._references: tuple[int, ReferenceIndex] | None = None

    @cached_property
    def device(self) -> torch.device:
        device.set_threads()
        return device.choose()

    @cached_property
    def device_name(self) -> str:
        return device.describe(self.device)

    def model(self, version: ModelVersion) -> GlmrModel:
        """The weights of the version, checked against its hashes. Raises ModelUnavailable."""
        if self._loaded is None or _pins(self._loaded) != (version.checkpoint_sha256, version.ranking_sha256):
            self._loaded = None  # before loading, so that two models are never in memory
            device.free_memory()
            self._loaded = self._load(version)
        return self._loaded

    def _load(self, version: ModelVersion) -> GlmrModel:
        folder = Path(version.folder)
        remedy = "Copy the checkpoint there on every worker machine, or register it again at its new path."
        try:
            model = load_checkpoint(folder, device=str(self.device))
        except (BrokenCheckpoint, SafetensorError, OSError, RuntimeError) as error:
            raise ModelUnavailable(
                version, f"Model {version} cannot be loaded from {folder}: {error} {remedy}"
            ) from error
        if model.sha256 != version.checkpoint_sha256:
            raise ModelUnavailable(
                version,
                f"The weights in {folder} have SHA-256 {model.sha256}, not {version.checkpoint_sha256} "
                f"as registered for model {version}. {remedy}",
            )
        if _pins(model)[1] != version.ranking_sha256:
            raise ModelUnavailable(
                version,
                f"The ranking in {folder} has SHA-256 {_pins(model)[1] or '(there is none)'}, not "
                f"{version.ranking_sha256 or '(none)'} as registered for model {version}. {remedy}",
            )
        return model

    def references(self, version_id: int) -> ReferenceIndex:
        """The spectra of a reference version. A version never changes."""
        if self._references is None or self._references[0] != version_id:
            self._references = None  # before loading, so that two are never in memory
            self._references = (version_id, references.load(version_id))
        return self._references[1]

    @cached_property
    def provenance(self) -> Provenance:
        return Provenance(
            code_version=code_version(),
            rdkit_version=rdBase.rdkitVersion,
            torch_version=torch.__version__,
            preprocessing_version=PREPROCESS_VERSION,
            device=self.device_name,
            worker=self.name,
        )


def _pins(model: GlmrModel) -> tuple[str, str]:
    """Hashes of the weights and of the ranking. The second is empty if the model has no ranking."""
    return model.sha256, model.ranking.sha256 if model.ranking else ""


runtime = Runtime()
