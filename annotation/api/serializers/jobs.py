"""Jobs in the REST interface as answers, and the parameters of their lists."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.addresses import address
from annotation.api.serializers.from_view import ReadOnlyModelSerializer
from annotation.api.serializers.submissions import PRIORITIES
from annotation.api.serializers.uploads import ReportSerializer
from annotation.jobs.models import Job, JobItem
from annotation.jobs.parameters import complete
from annotation.jobs.progress import JobOutcome, Progress
from annotation.jobs.waiting import Waiting

JOB_OUTCOMES = [(outcome.value, outcome.value) for outcome in JobOutcome]
JOB_WAITING = [(reason.value, reason.value) for reason in Waiting]
LINKS = {
    "self": "api:job",
    "items": "api:job-items",
    "results": "api:job-results",
    "results_csv": "api:job-csv",
    "cancel": "api:job-cancel",
    "retry": "api:job-retry",
    "exports": "api:job-exports",
    "resume": "api:job-resume",
}


class JobProgressSerializer(serializers.Serializer[Progress]):
    """The progress of a job, in features."""

    total = serializers.IntegerField()
    pending = serializers.IntegerField()
    running = serializers.IntegerField()
    done = serializers.IntegerField(help_text="Annotated.")
    no_match = serializers.IntegerField(help_text="Searched, but no library molecule has the mass.")
    unusable = serializers.IntegerField(help_text="Cannot be annotated: the input is at fault.")
    failed = serializers.IntegerField(help_text="Failed for a technical reason. A retry may help.")
    cancelled = serializers.IntegerField()
    outcome = serializers.ChoiceField(
        choices=JOB_OUTCOMES,
        help_text="How the job ended. `partial`: some features are `failed`, "
        "`unusable`, or `cancelled` before a retry. `failed`: all are `failed` or `unusable`. A feature "
        "without a match counts as success.",
    )
    percent = serializers.FloatField(help_text="Rounded down: 100 means that every feature has ended.")
    stalled = serializers.BooleanField(
        source="without_worker",
        help_text="Features are open and no worker sends heartbeats. `waiting` has the other causes too.",
    )
    waiting_for = serializers.CharField(help_text="What the job waits for; empty if it waits for nothing.")
    last_heartbeat = serializers.DateTimeField(allow_null=True, help_text="Of any worker.")
    rate_per_s = serializers.FloatField(
        allow_null=True, help_text="Features per second over whole batches; null until it means something."
    )
    eta_s = serializers.FloatField(
        allow_null=True,
        help_text="Expected seconds to the end of the job; null until it means something and while it waits.",
    )
    ahead_in_queue = serializers.IntegerField(help_text="Open features of jobs that were submitted earlier.")
    eta_low_s = serializers.FloatField(allow_null=True, help_text="The job hardly ends sooner.")
    eta_high_s = serializers.FloatField(allow_null=True, help_text="The job hardly ends later.")
    queue_position = serializers.IntegerField(
        allow_null=True,
        help_text="1: the next batch is of this job. Jobs take turns. Null: it has no features to claim.",
    )
    jobs_in_queue = serializers.IntegerField(
        source="n_in_queue", help_text="Jobs with features to claim, this one included."
    )
    waiting = serializers.ChoiceField(
        choices=JOB_WAITING,
        allow_null=True,
        help_text="Why the job does not move; null if it does. All but `embedding` need somebody to act.",
    )
    error_codes = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Features without a result by `error_code`. Counted for a single job; empty in lists.",
    )
    attempts = serializers.IntegerField(
        allow_null=True, help_text="Attempts that these features took. Null in lists."
    )


class PinnedLibrarySerializer(serializers.Serializer[Any]):
    """The library version that the job searches."""

    name = serializers.CharField(source="library.name")
    version = serializers.IntegerField(source="number")
    content_sha256 = serializers.CharField()


class PinnedReferencesSerializer(serializers.Serializer[Any]):
    """The version of a reference collection that the job uses."""

    name = serializers.CharField(source="collection.name")
    version = serializers.IntegerField(source="number")
    content_sha256 = serializers.CharField()


class PinnedModelSerializer(serializers.Serializer[Any]):
    """The model version that the job uses."""

    name = serializers.CharField()
    method = serializers.CharField(help_text="Family of the model. The ranking method is in `params.method`.")
    checkpoint_sha256 = serializers.CharField()
    ranking_sha256 = serializers.CharField(help_text="Empty if the model can rank only with method `glmr`.")


class JobLinksSerializer(serializers.Serializer[Any]):
    """Addresses of the job and of what belongs to it."""

    self = serializers.URLField()
    items = serializers.URLField()
    results = serializers.URLField()
    results_csv = serializers.URLField()
    cancel = serializers.URLField()
    retry = serializers.URLField()
    exports = serializers.URLField()
    resume = serializers.URLField()


class JobSerializer(ReadOnlyModelSerializer[Job]):
    """A batch of spectra that were submitted together. The context maps jobs to their `progress`, by id."""

    id = serializers.UUIDField(source="public_id")
    project = serializers.CharField(source="project.slug")
    state = serializers.ChoiceField(choices=Job.State.choices)
    progress = serializers.SerializerMethodField()
    library = PinnedLibrarySerializer(source="library_version")
    references = PinnedReferencesSerializer(source="reference_version", allow_null=True)
    model = PinnedModelSerializer(source="model_version")
    params = serializers.SerializerMethodField(
        help_text="Every parameter, so that it can be sent back as it is to repeat the job."
    )
    submitted_by = serializers.CharField(source="submitted_by.username")
    links = serializers.SerializerMethodField()
    priority = serializers.SerializerMethodField()
    repeats = serializers.UUIDField(
        source="repeats.public_id",
        allow_null=True,
        default=None,
        help_text="The job that this one runs again.",
    )
    unique_external_id = serializers.BooleanField(source="external_id_is_unique")

    class Meta:
        model = Job
        fields: tuple[str, ...] = (
            "id",
            "name",
            "external_id",
            "project",
            "state",
            "progress",
            "library",
            "references",
            "model",
            "params",
            "submitted_by",
            "created_at",
            "started_at",
            "updated_at",
            "cancel_requested_at",
            "finished_at",
            "links",
            "priority",
            "repeats",
            "unique_external_id",
        )

    @extend_schema_field(JobProgressSerializer)
    def get_progress(self, job: Job) -> dict[str, Any]:
        return dict(JobProgressSerializer(self.context["progress"][job.pk]).data)

    @extend_schema_field(serializers.DictField())
    def get_params(self, job: Job) -> dict[str, Any]:
        return complete(job.params)

    @extend_schema_field(serializers.ChoiceField(choices=PRIORITIES))
    def get_priority(self, job: Job) -> str:
        return Job.Priority(job.priority).name.lower()

    @extend_schema_field(JobLinksSerializer)
    def get_links(self, job: Job) -> dict[str, str]:
        request = self.context["request"]
        return {key: address(request, route, job.public_id) for key, route in LINKS.items()}


class SubmittedJobSerializer(JobSerializer):
    """The new job, and what was found in its spectra. The context holds `upload` and `report`."""

    upload = serializers.SerializerMethodField()
    report = serializers.SerializerMethodField()

    class Meta(JobSerializer.Meta):
        fields = (*JobSerializer.Meta.fields, "upload", "report")

    def get_upload(self, job: Job) -> str:
        return address(self.context["request"], "api:upload", self.context["upload"].pk)

    @extend_schema_field(ReportSerializer)
    def get_report(self, job: Job) -> dict[str, Any]:
        return dict(ReportSerializer(self.context["report"]).data)


class JobRetrySerializer(serializers.Serializer[Any]):
    """How many failed features were queued again, and the job."""

    n_retried = serializers.IntegerField()
    job = JobSerializer()


class JobResumeSerializer(serializers.Serializer[Any]):
    """How many cancelled features were queued again, and the job."""

    n_resumed = serializers.IntegerField()
    job = JobSerializer()


class SubmitOptions(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(default=False, help_text="Only report; store nothing.")


class JobFilters(serializers.Serializer[Any]):
    updated_since = serializers.DateTimeField(
        required=False,
        help_text="Only jobs that changed at or after this time, oldest change first. For polling.",
    )
    external_id = serializers.CharField(required=False, max_length=200)
    sample_id = serializers.CharField(
        required=False, max_length=200, help_text="Jobs with a spectrum or a file of this sample."
    )
    state = serializers.ChoiceField(choices=Job.State.choices, required=False)


class ItemFilters(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=JobItem.State.choices, required=False)


class ResultFilters(serializers.Serializer[Any]):
    top = serializers.IntegerField(
        required=False, min_value=1, max_value=200, default=1, help_text="Candidates for each feature."
    )


class CsvFilters(serializers.Serializer[Any]):
    top = serializers.IntegerField(
        required=False, min_value=1, max_value=200, default=1, help_text="Rows for each feature."
    )
