"""Chooses the next piece of work: annotate, embed for a waiting job, embed a library, prepare searches."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from annotation.checkpoints.models import ModelVersion
from annotation.jobs import embedding_queue, ledger
from annotation.jobs.ledger import Batch
from annotation.libraries import embed, patterns, search, vector_index
from annotation.results import record
from models_ml.evidence.analogs import ReferenceIndex
from models_ml.inference import annotate as inference
from models_ml.inference.checkpoint import GlmrModel
from models_ml.outcomes import Outcome
from worker.batching import Batching
from worker.heartbeat_thread import HeartbeatThread
from worker.runtime import ModelUnavailable, Runtime

PATTERNS_AT_ONCE = 1_000

log = logging.getLogger(__name__)


class Work:
    """The steps of one worker process."""

    def __init__(self, runtime: Runtime, heartbeat: HeartbeatThread) -> None:
        self._runtime = runtime
        self.heartbeat = heartbeat
        self._last_problem = ""
        # ID of the last molecule whose pattern was stored. New molecules have higher ones.
        self._last_pattern = 0
        # Models that could not be loaded since the last ring, for example after an upgrade removed them.
        self._unavailable_models: set[int] = set()
        # Their reasons, until the model is loaded after all. Every heartbeat reports them.
        self._load_problems: dict[int, str] = {}
        provenance = runtime.provenance  # computed now, so that a fault of the worker fails no spectrum
        self._batching = Batching(
            annotate=self._annotate,
            record=lambda batch, outcomes: record.finish(batch, outcomes, provenance),
            stopping=runtime.stopping.is_set,
            limit=settings.GLMR_BATCH_SIZE,
        )

    def step(self) -> bool:
        """Do one piece of work. False if there is none that this worker can do."""
        try:
            # Alternate: a job that waits for its molecules must not wait for all other jobs as well.
            annotated = self._annotate_batch()
            if (
                self._embed_for_waiting_job()
                or annotated
                or self._embed_library_chunk()
                or self._build_index()
                or self._store_patterns()
            ):
                return True
        except ModelUnavailable as error:
            self._load_problems[error.model_version_id] = str(error)
            self._log_problem(str(error))
            self._report("")
            self._unavailable_models.add(error.model_version_id)
            return True  # continue with the work of other models
        except (OperationalError, InterfaceError) as error:
            # Claimed items return when their lease expires. The next ring starts with a new connection.
            connection.close()
            return self._report_problem(f"The database failed during the work: {error}")
        except Exception as error:
            log.exception("An error that no spectrum caused")
            return self._report_problem(f"{type(error).__name__}: {error} The worker's log says where.")

        # No other work is left. The next ring tries these models again, and no job needs the others any more.
        for model in self._load_problems.keys() - self._unavailable_models:
            del self._load_problems[model]
        self._unavailable_models.clear()
        self._report("", self.heartbeat.model_version_id)
        return False

    def _report_problem(self, problem: str) -> bool:
        self._log_problem(problem)
        self.heartbeat.report("", problem=problem)
        return False

    def _log_problem(self, problem: str) -> None:
        if problem != self._last_problem:  # it repeats with each ring; log it once
            log.error("%s", problem)
        self._last_problem = problem

    def _report(self, activity: str, model_version_id: int | None = None) -> None:
        self.heartbeat.report(
            activity,
            problem="\n".join(self._load_problems.values()),
            cannot_load=self._load_problems,
            model_version_id=model_version_id,
        )

    def _model(self, version: ModelVersion) -> GlmrModel:
        """Raises ModelUnavailable."""
        model = self._runtime.model(version)
        self._load_problems.pop(version.pk, None)
        return model

    def _annotate_batch(self) -> bool:
        batch = ledger.claim(
            limit=settings.GLMR_BATCH_SIZE, worker=self._runtime.name, without_models=self._unavailable_models
        )
        if batch is None:
            return False
        self.heartbeat.hold(batch)
        self._report(f"annotating {len(batch.items)} features", batch.model_version_id)
        try:
            self._model(_model_version(batch.model_version_id))
            self._batching.run(batch)
        except ModelUnavailable:
            # The worker is at fault, so it costs the spectra no attempt.
            ledger.release(batch.items)
            raise
        finally:
            self.heartbeat.release()
        self._report("", batch.model_version_id)
        return True

    def _annotate(self, batch: Batch) -> list[Outcome]:
        return inference.annotate(
            batch.features,
            model=self._model(_model_version(batch.model_version_id)),
            retrieve=search.retrieve_from(batch.library_version_id, batch.model_version_id),
            params=batch.params,
            references=self._references(batch),
            find_known=search.known_in(batch.library_version_id),
        )

    def _references(self, batch: Batch) -> ReferenceIndex | None:
        """The reference spectra of the job. Only `fused` uses them."""
        if batch.reference_version_id is None or batch.params.method != "fused":
            return None
        return self._runtime.references(batch.reference_version_id)

    def _embed_for_waiting_job(self) -> bool:
        """Embed a chunk of what the next waiting job will search."""
        job = embedding_queue.next_waiting_job(without_models=self._unavailable_models)
        if job is None:
            return False
        model = self._model(job.model_version)
        self._report(f"preparing {job.library_version}", job.model_version_id)
        done = embedding_queue.embed_windows(job, model.embed_molecules, limit=settings.GLMR_EMBED_CHUNK)
        self._report("", job.model_version_id)
        return done is not None  # None: another worker does it

    def _embed_library_chunk(self) -> bool:
        run = embedding_queue.next_run(without_models=self._unavailable_models)
        if run is None:
            return False
        model = self._model(run.model_version)
        self._report(f"embedding {run.version}", run.model_version_id)
        done = embed.embed_chunk(run, model.embed_molecules, limit=settings.GLMR_EMBED_CHUNK)
        self._report("", run.model_version_id)
        return done is not None  # None: another worker does it

    def _build_index(self) -> bool:
        held = self.heartbeat.model_version_id  # building an index does not change the loaded model
        self._report("building a search index", held)
        built = vector_index.build_missing()
        self._report("", held)
        return built is not None

    def _store_patterns(self) -> bool:
        """Prepare a few molecules for the search by substructure: about a second of work."""
        last = patterns.store_missing(self._last_pattern, PATTERNS_AT_ONCE)
        self._last_pattern = max(self._last_pattern, last or 0)
        return last is not None


def _model_version(model_version_id: int) -> ModelVersion:
    return ModelVersion.objects.get(pk=model_version_id)
