"""One batch through `annotate`: memory faults halve it, other faults are narrowed down to one spectrum."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from annotation.jobs import ledger
from annotation.jobs.ledger import Batch
from models_ml.outcomes import Outcome
from worker import device

log = logging.getLogger(__name__)

# How often a running batch asks whether it is still wanted.
CANCEL_CHECK_S = 1.0

OnStage = Callable[[str], None]
AnnotateBatch = Callable[[Batch, OnStage], Sequence[Outcome]]
RecordBatch = Callable[[Batch, Sequence[Outcome]], object]


class NotWanted(Exception):
    """Every job in the batch was cancelled: stop computing."""


@dataclass
class Batching:
    """How batches run in this process. `limit` shrinks for good once the memory has proved too small."""

    annotate: AnnotateBatch
    record: RecordBatch
    stopping: Callable[[], bool]
    limit: int

    def run(self, batch: Batch) -> None:
        """Every item ends recorded, failed, retried, cancelled or released; database faults pass through."""
        waiting = [batch]
        while waiting:
            if self.stopping():
                ledger.release([item for part in waiting for item in part.items])
                return
            part = waiting.pop(0)
            if len(part.items) > self.limit:
                waiting[:0] = _parts(part, self.limit)
            else:
                waiting[:0] = self._run_part(part)

    def _run_part(self, batch: Batch) -> list[Batch]:
        """Run one part; returns the smaller parts to run in its stead, if it has to be split."""
        unwanted = ledger.cancelled(batch)
        if unwanted:
            ledger.end_cancelled([item for item in batch.items if item.id in unwanted])
            batch = batch.only(item for item in batch.items if item.id not in unwanted)
        if not batch.items:
            return []
        try:
            self.record(batch, self.annotate(batch, _cancel_check(batch)))
        except NotWanted:
            ledger.end_cancelled(batch.items)
        except (OperationalError, InterfaceError):
            raise  # the database is away or in trouble, and no spectrum is to blame
        except Exception as error:
            return self._after_fault(batch, error)
        return []

    def _after_fault(self, batch: Batch, error: Exception) -> list[Batch]:
        out_of_memory = device.is_out_of_memory(error)
        if out_of_memory:
            device.free_memory()
            self.limit = min(self.limit, max(1, len(batch.items) // 2))
            log.warning(
                "Out of memory with %d spectra; batches hold %d from now on", len(batch.items), self.limit
            )
        else:
            log.exception("Unexpected error with %d spectra", len(batch.items))
        if len(batch.items) > 1:
            half = (len(batch.items) + 1) // 2
            return _parts(batch, half)
        code = "out_of_memory" if out_of_memory else "unexpected_error"
        ledger.retry(batch.items[0], code=code, reason=f"{type(error).__name__}: {error}", alone=True)
        return []


def _parts(batch: Batch, size: int) -> list[Batch]:
    return [batch.only(batch.items[start : start + size]) for start in range(0, len(batch.items), size)]


def _cancel_check(batch: Batch) -> OnStage:
    """Called between stages and decoding steps; asks the ledger at most once in CANCEL_CHECK_S."""
    asked = time.monotonic()

    def check(stage: str) -> None:
        nonlocal asked
        if time.monotonic() - asked < CANCEL_CHECK_S:
            return
        asked = time.monotonic()
        if len(ledger.cancelled(batch)) == len(batch.items):
            raise NotWanted(stage)

    return check
