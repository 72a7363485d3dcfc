"""The worker tests' checkpoint, for flows through the worker's own code."""

from tests.worker.conftest import model_version, tiny_checkpoint

__all__ = ["model_version", "tiny_checkpoint"]
