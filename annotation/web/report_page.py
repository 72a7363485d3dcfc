"""What the report page shows: the files, what a job would do with them, and the settings of that job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Q, Sum
from django.http import Http404, QueryDict
from django.urls import reverse

from annotation.accounts.models import Role
from annotation.jobs import preflight
from annotation.jobs.copies import find_copies
from annotation.jobs.models import Job, JobItem, JobPreset
from annotation.jobs.parameters import from_json
from annotation.spectra.models import Feature, FeatureQuerySet, SpectrumIssue, Upload
from annotation.web import run_settings, scope
from annotation.web.forms import RunForm
from annotation.web.scope import SignedInRequest
from models_ml.outcomes import AnnotateParams

ISSUES_PER_PAGE = 50
MAX_PROPOSALS = 50
# The states of features for which another run can give a result.
WITHOUT_RESULT = (
    JobItem.State.FAILED, JobItem.State.UNUSABLE, JobItem.State.NO_MATCH, JobItem.State.CANCELLED
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """What the URL of the page names: files of one project, and the job that is run again, if any."""

    uploads: tuple[Upload, ...]
    again: Job | None
    only_without_result: bool  # of the features of `again`

    @property
    def project_id(self) -> int:
        return self.uploads[0].project_id

    def features(self) -> FeatureQuerySet:
        """The features that the job would get, in their order."""
        features = Feature.objects.filter(upload__in=self.uploads).order_by("upload_id", "number")
        if not self.only_without_result:
            return features
        items = JobItem.objects.filter(job=self.again, state__in=WITHOUT_RESULT)
        return features.filter(pk__in=items.values("feature_id"))

    def query(self, uploads: Iterable[int] | None = None) -> list[tuple[str, str]]:
        """The parameters of the URL, with other uploads if given."""
        ids = [upload.pk for upload in self.uploads] if uploads is None else uploads
        pairs = [("upload", str(pk)) for pk in ids]
        if self.again is not None:
            pairs.append(("again", str(self.again.public_id)))
            pairs += [("only", "without-result")] if self.only_without_result else []
        return pairs


def choose(request: SignedInRequest) -> Choice:
    """What the URL names. All uploads must exist and belong to one project of the person, else 404."""
    keys = upload_ids(request.GET)
    uploads = list(scope.uploads(request.user).filter(pk__in=keys).select_related("project").order_by("pk"))
    if not uploads or len(uploads) != len(set(keys)) or len({upload.project_id for upload in uploads}) > 1:
        raise Http404("Your projects have no such upload.")
    again = _job_to_repeat(request, uploads[0].project_id)
    only = again is not None and request.GET.get("only") == "without-result"
    return Choice(tuple(uploads), again, only)


def upload_ids(query: QueryDict) -> list[int]:
    return [int(pk) for pk in query.getlist("upload") if pk.isdecimal() and len(pk) < 19]


def _job_to_repeat(request: SignedInRequest, project_id: int) -> Job | None:
    text = request.GET.get("again", "")
    if not text:
        return None
    try:
        return scope.jobs(request.user).get(public_id=UUID(text), project_id=project_id)
    except (ValueError, Job.DoesNotExist):
        raise Http404("Your projects have no such job.") from None


def address(pairs: Iterable[tuple[str, str]], name: str = "upload-report") -> str:
    return f"{reverse(name)}?{urlencode(list(pairs))}"


def new_form(request: SignedInRequest, choice: Choice) -> RunForm:
    """The form with the settings of the URL, else of the job to run again, else the defaults."""
    settings = run_settings.of_job(choice.again) if choice.again else {}
    settings |= run_settings.sent(request.GET)
    return RunForm(request.user, initial={"name": default_name(choice)} | settings, base=base(choice))


def sent_form(request: SignedInRequest, choice: Choice) -> RunForm:
    return RunForm(request.user, request.POST, base=base(choice))


def base(choice: Choice) -> AnnotateParams | None:
    return from_json(choice.again.params) if choice.again else None


def default_name(choice: Choice) -> str:
    uploads = choice.uploads
    others = f" and {len(uploads) - 1} more" if len(uploads) > 1 else ""
    return f"{uploads[0].file_name[:180]}{others}"


def summary(request: SignedInRequest, choice: Choice, form: RunForm) -> preflight.Preflight:
    """What the job would do with the settings in the form, valid or not. At most five queries."""
    if not form.is_bound:
        data = run_settings.complete(form, {k: str(v) for k, v in form.initial.items()})
        form = RunForm(request.user, data, base=base(choice))
    form.is_valid()
    return preflight.of_uploads(choice.uploads, choice.features(), form.params())


def load_report(request: SignedInRequest, choice: Choice, form: RunForm) -> dict[str, object]:
    """The context of the page. Its number of queries does not grow with the files."""
    issues = SpectrumIssue.objects.filter(upload__in=choice.uploads).select_related("upload")
    features = choice.features()
    proposed = features.filter(~Q(proposed_adduct=""), adduct="")
    copies = find_copies(choice.uploads)
    found = summary(request, choice, form)
    n_counted = found.n_rejected + found.n_repaired + found.n_skipped
    return {
        "choice": choice,
        "project": choice.uploads[0].project,
        "files": [(upload, copies[upload.pk]) for upload in choice.uploads],
        "uploads": choice.uploads,
        "issue_kinds": issues.by_kind(),
        "issues": Paginator(issues, ISSUES_PER_PAGE).get_page(request.GET.get("page")),
        "n_unlisted": max(0, n_counted - (issues.aggregate(n=Sum("n"))["n"] or 0)),
        "grouped": features.summary(),
        "proposals": proposed[:MAX_PROPOSALS],
        "preflight": found,
        "form": form,
        "presets": JobPreset.objects.filter(project_id=choice.project_id),
        "preset": request.GET.get("preset", ""),
        "may_submit": scope.holds(request.user, choice.project_id, Role.SUBMITTER),
        "query": urlencode(choice.query()),
        "all_address": address(replace(choice, only_without_result=False).query()),
        "open_address": address(replace(choice, only_without_result=True).query()),
    }
