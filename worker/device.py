"""The device that this worker computes on, from the settings, and how to recognise torch's memory faults."""

from __future__ import annotations

import logging

import torch
from django.conf import settings

log = logging.getLogger(__name__)


def choose() -> torch.device:
    """The device of GLMR_DEVICE. "auto" takes the first GPU, or the CPU if there is none."""
    wanted = settings.GLMR_DEVICE
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise RuntimeError(
            f"GLMR_DEVICE is {wanted}, but torch {torch.__version__} sees no CUDA device. "
            "Install the CUDA build of torch and the driver, or set GLMR_DEVICE=cpu."
        )
    return torch.device(wanted)


def describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"


def set_threads() -> None:
    """Call before the first computation: several workers on one machine must share its cores."""
    if settings.GLMR_TORCH_THREADS:
        torch.set_num_threads(settings.GLMR_TORCH_THREADS)


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU allocator raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
