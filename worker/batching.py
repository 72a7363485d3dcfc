"""Runs a batch through `annotate`: memory faults halve it, other faults are narrowed down to a feature."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from annotation.jobs import ledger
from annotation.jobs.ledger import Batch
from models_ml.outcomes import Outcome
from worker import device

log = logging.getLogger(__name__)

AnnotateBatch = Callable[[Batch], Sequence[Outcome]]
RecordBatch = Callable[[Batch, Sequence[Outcome]], object]


@dataclass
class Batching:
    """How batches run in this process. `limit` shrinks permanently once the memory is too small."""

    annotate: AnnotateBatch
    record: RecordBatch
    stopping: Callable[[], bool]
    limit: int

    def run(self, batch: Batch) -> None:
        """Every item ends recorded, failed, retried, cancelled or released. Database faults are raised."""
        parts = [batch]
        while parts:
            if self.stopping():
                ledger.release([item for part in parts for item in part.items])
                return
            part = parts.pop(0)
            if part.n_spectra > self.limit and len(part.items) > 1:
                parts[:0] = part.split(self.limit)
            else:
                parts[:0] = self._run_part(part)

    def _run_part(self, batch: Batch) -> list[Batch]:
        """Run one part. Returns smaller parts to run instead, if it has to be split.

        A job that is cancelled meanwhile keeps what the running part finishes.
        """
        cancelled_ids = ledger.cancelled(batch)
        if cancelled_ids:
            ledger.end_cancelled([item for item in batch.items if item.id in cancelled_ids])
            batch = batch.only(item for item in batch.items if item.id not in cancelled_ids)
        if not batch.items:
            return []
        try:
            self.record(batch, self.annotate(batch))
        except (OperationalError, InterfaceError):
            raise  # the database failed; no spectrum is the cause
        except Exception as error:
            return self._after_fault(batch, error)
        return []

    def _after_fault(self, batch: Batch, error: Exception) -> list[Batch]:
        out_of_memory = device.is_out_of_memory(error)
        if out_of_memory:
            device.free_memory()
            self.limit = min(self.limit, max(1, batch.n_spectra // 2))
            log.warning(
                "Out of memory with %d spectra; the batch size is now %d",
                batch.n_spectra,
                self.limit,
            )
        else:
            log.exception("Unexpected error with %d features", len(batch.items))
        if len(batch.items) > 1:
            return batch.split((batch.n_spectra + 1) // 2)
        code = "out_of_memory" if out_of_memory else "unexpected_error"
        ledger.retry(batch.items[0], code=code, reason=f"{type(error).__name__}: {error}", alone=True)
        return []
