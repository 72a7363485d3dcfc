"""What a worker does next: annotate and embed what waiting jobs search; else embed a library, else index."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from annotation.checkpoints.models import ModelVersion
from annotation.jobs import embedding_queue, ledger
from annotation.jobs.ledger import Batch
from annotation.libraries import embed, search, vector_index
from annotation.results import record
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.inference import annotate as inference
from models_ml.outcomes import Outcome
from worker.batching import Batching, OnStage
from worker.heartbeat_thread import HeartbeatThread
from worker.runtime import ModelUnavailable, Runtime

log = logging.getLogger(__name__)


class Work:
    """The steps of one worker process."""

    def __init__(self, runtime: Runtime, pulse: HeartbeatThread) -> None:
        self._runtime = runtime
        self.pulse = pulse
        self._last_problem = ""
        # Models that could not be loaded since the last ring, such as one whose folder an upgrade took away.
        self._beyond: set[int] = set()
        provenance = runtime.provenance  # now: what is wrong with the worker is no spectrum's fault
        self._batching = Batching(
            annotate=self._annotate,
            record=lambda batch, outcomes: record.finish(batch, outcomes, provenance),
            stopping=runtime.stopping.is_set,
            limit=settings.GLMR_BATCH_SIZE,
        )

    def step(self) -> bool:
        """Do one piece of work; False if there is none, or none that this worker can do."""
        try:
            # In turns: a job that waits for its molecules must not wait for the end of all others too.
            annotated = self._annotate_some()
            if self._open_one() or annotated or self._embed_some() or self._index_one():
                return True
        except ModelUnavailable as error:
            self._cannot_go_on(str(error))
            self._beyond.add(error.model_version_id)
            return True  # with the work of other models
        except (OperationalError, InterfaceError) as error:
            # What was claimed comes back when its lease runs out; the next ring starts with a new connection.
            connection.close()
            return self._cannot_go_on(f"The database failed in the middle of the work: {error}")
        except Exception as error:
            log.exception("The worker met an error that is no spectrum's fault")
            return self._cannot_go_on(f"{type(error).__name__}: {error} The worker's log says where.")

        if self._beyond:  # nothing else is left, so this is what keeps the worker from working
            self._beyond.clear()
            self.pulse.say("", problem=self._last_problem)
        return False

    def _cannot_go_on(self, problem: str) -> bool:
        if problem != self._last_problem:  # it comes back with each ring; the log needs it once
            log.error("%s", problem)
        self._last_problem = problem
        self.pulse.say("", problem=problem)
        return False

    def _annotate_some(self) -> bool:
        batch = ledger.claim(
            limit=settings.GLMR_BATCH_SIZE, worker=self._runtime.name, without_models=self._beyond
        )
        if batch is None:
            return False
        self.pulse.hold(batch)
        self.pulse.say(f"annotating {len(batch.items)} spectra", model_version_id=batch.model_version_id)
        try:
            self._runtime.model(_model_version(batch.model_version_id))
            self._batching.run(batch)
        except ModelUnavailable:
            # The fault is this worker's, not the spectra's: it costs them no attempt.
            ledger.release(batch.items)
            raise
        finally:
            self.pulse.let_go()
        self.pulse.say("", model_version_id=batch.model_version_id)
        return True

    def _annotate(self, batch: Batch, on_stage: OnStage) -> list[Outcome]:
        return inference.annotate(
            batch.spectra,
            model=self._runtime.model(_model_version(batch.model_version_id)),
            retrieve=search.retrieve_from(batch.library_version_id, batch.model_version_id),
            params=batch.params,
            references=self._references(batch),
            find_known=search.known_in(batch.library_version_id),
            on_stage=on_stage,
        )

    def _references(self, batch: Batch) -> ReferenceIndex | None:
        """Only `fused` asks them."""
        if batch.reference_version_id is None or batch.params.method != "fused":
            return None
        return self._runtime.references(batch.reference_version_id)

    def _open_one(self) -> bool:
        """Embed what the next waiting job will search, or a chunk of it."""
        job = embedding_queue.next_waiting_job(without_models=self._beyond)
        if job is None:
            return False
        model = self._runtime.model(job.model_version)
        self.pulse.say(f"preparing {job.library_version}", model_version_id=job.model_version_id)
        done = embedding_queue.embed_windows(job, model.embed_molecules, limit=settings.GLMR_EMBED_CHUNK)
        self.pulse.say("", model_version_id=job.model_version_id)
        return done is not None  # None: another worker is at it

    def _embed_some(self) -> bool:
        run = embedding_queue.next_run(without_models=self._beyond)
        if run is None:
            return False
        model = self._runtime.model(run.model_version)
        self.pulse.say(f"embedding {run.version}", model_version_id=run.model_version_id)
        done = embed.embed_chunk(run, model.embed_molecules, limit=settings.GLMR_EMBED_CHUNK)
        self.pulse.say("", model_version_id=run.model_version_id)
        return done is not None  # None: another worker is at it

    def _index_one(self) -> bool:
        held = self.pulse.model_version_id  # an index needs no model, and drops none
        self.pulse.say("building a search index", model_version_id=held)
        built = vector_index.build_missing()
        self.pulse.say("", model_version_id=held)
        return built is not None


def _model_version(model_version_id: int) -> ModelVersion:
    return ModelVersion.objects.get(pk=model_version_id)
