"""What keeps an open job from moving, as a code for programs and a sentence for people."""

from __future__ import annotations

from enum import StrEnum

from annotation.jobs.models import Job, WorkerHeartbeat, WorkerStatus


class Waiting(StrEnum):
    """Why an open job does not move."""

    NO_WORKER = "no_worker"  # no worker is alive
    NO_WORKER_FOR_MODEL = "no_worker_for_model"  # no worker that is alive can load the model of the job
    WORKER_PROBLEM = "worker_problem"  # none of the workers that are alive can work
    QUEUE_SILENT = "queue_silent"  # workers are alive and idle, but hear no message that there is work
    EMBEDDING = "embedding"  # molecules that the job searches are not embedded yet

    @property
    def label(self) -> str:
        """A few words, for lists."""
        return _LABELS[self]


_LABELS = {
    Waiting.NO_WORKER: "no worker is running",
    Waiting.NO_WORKER_FOR_MODEL: "no worker can load the model",
    Waiting.WORKER_PROBLEM: "every worker reports a problem",
    Waiting.QUEUE_SILENT: "no message reaches the workers",
    Waiting.EMBEDDING: "the library is being prepared",
}

# Somebody has to act. The other reasons end by themselves.
STALLS = frozenset(Waiting) - {Waiting.EMBEDDING}

_QUEUE_SILENT = (
    "Workers are alive, but no message reaches them, so they do not take the job. Check that the broker "
    "(Redis or RabbitMQ) and the process “beat” run."
)


def find_reason(job: Job, workers: WorkerStatus, embedding: str) -> tuple[Waiting | None, str]:
    """The reason that has to be removed first; None and an empty text if there is none.

    `embedding` is the sentence about the embedding that the job waits for, if it does. No query.
    """
    if not workers.is_alive:
        return (
            Waiting.NO_WORKER,
            f"{_last_worker(workers.latest)} The job continues when a worker is started.",
        )
    able = [worker for worker in workers.alive if worker.can_run(job.model_version_id)]
    if not able:
        first = workers.alive[0]
        if all(worker.cannot_load for worker in workers.alive):
            return Waiting.NO_WORKER_FOR_MODEL, f"No worker can load the model of this job. {first.problem}"
        return Waiting.WORKER_PROBLEM, first.problem
    if all(not worker.activity and getattr(worker, "hears_nothing", None) for worker in able):
        return Waiting.QUEUE_SILENT, _QUEUE_SILENT
    if embedding:
        return Waiting.EMBEDDING, embedding
    return None, ""


def _last_worker(worker: WorkerHeartbeat | None) -> str:
    if worker is None:
        return "No worker has connected to this server yet."
    if worker.stopped_at is not None:
        return f"No worker is running: {worker.name} was stopped."
    return (
        f"No worker is running: {worker.name} sends no heartbeats any more. It died, or its machine or its "
        "connection to the database failed. What it was computing is computed again."
    )
