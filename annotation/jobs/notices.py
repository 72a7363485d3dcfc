"""Mails to people who asked to be told when a job ends.

What is due follows from the job and its notice, so a crash loses no mail. The row of a notice is locked while
its mail is sent. If a process dies between the answer of the mail server and the commit, the mail is sent
again with the same Message-ID, by which mail programs recognise the copy.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from annotation.accounts.models import Project
from annotation.jobs.models import EndNotice, Job
from annotation.jobs.progress import Progress, with_progress

log = logging.getLogger(__name__)

# After each failure twice as long, so that a mail server that is away for a day loses nothing.
FIRST_RETRY = timedelta(minutes=1)
MAX_FAILURES = 12


def is_wanted(job: Job, user: User) -> bool:
    return EndNotice.objects.filter(job=job, user=user).exists()


def ask(job: Job, user: User) -> None:
    """Tell the person when the job ends. An end that has passed is not announced."""
    EndNotice.objects.get_or_create(job=job, user=user, defaults={"sent_for": job.finished_at})


def withdraw(job: Job, user: User) -> None:
    EndNotice.objects.filter(job=job, user=user).delete()


def follow_habit(job: Job, user: User) -> None:
    """A new job is announced if the person asked for it at the job that they submitted before."""
    if not settings.SENDS_MAIL:
        return
    before = Job.objects.filter(submitted_by=user, pk__lt=job.pk).order_by("-pk")[:1]
    if EndNotice.objects.filter(job__in=list(before.values_list("pk", flat=True)), user=user).exists():
        ask(job, user)


def due() -> QuerySet[EndNotice]:
    """Notices of jobs that ended since the last mail, without those that wait for another try."""
    ended = Q(sent_for=None, job__finished_at__isnull=False) | Q(sent_for__lt=F("job__finished_at"))
    ready = Q(next_try_at=None) | Q(next_try_at__lte=Now())
    return EndNotice.objects.filter(ended, ready, n_failures__lt=MAX_FAILURES)


def send_next() -> bool:
    """Send one mail that is due, and remember it. False if none is, or the mail server did not take it."""
    with transaction.atomic():
        notice = (
            due()
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("user", "job__project", "job__library_version")
            .order_by("pk")
            .first()
        )
        if notice is None:
            return False
        try:
            _send(notice)
        except (OSError, SMTPException) as error:
            log.warning("The mail about job %s could not be sent: %s", notice.job.public_id, error)
            notice.n_failures += 1
            notice.next_try_at = Now() + FIRST_RETRY * 2 ** (notice.n_failures - 1)
            notice.save(update_fields=["n_failures", "next_try_at"])
            return False
        notice.sent_for, notice.n_failures, notice.next_try_at = notice.job.finished_at, 0, None
        notice.save(update_fields=["sent_for", "n_failures", "next_try_at"])
    return True


def _send(notice: EndNotice) -> None:
    user, job = notice.user, notice.job
    may_see = Project.objects.visible_to(user).filter(pk=job.project_id).exists()
    if not (user.is_active and user.email and may_see):
        return
    ((_, known),) = with_progress([job])
    assert job.finished_at is not None
    host = settings.GLMR_PUBLIC_URL.partition("://")[2].partition("/")[0].partition(":")[0] or "localhost"
    message_id = f"<job-{job.public_id}-{notice.pk}-{job.finished_at:%Y%m%d%H%M%S%f}@{host}>"
    EmailMessage(
        subject=f"{known.outcome.label}: {' '.join(job.name.split())}",
        body=_text(job, known),
        to=[user.email],
        headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
    ).send()


def _text(job: Job, known: Progress) -> str:
    counts = (
        ("annotated", known.done),
        ("without a match in the library", known.no_match),
        ("cannot be annotated", known.unusable),
        ("failed", known.failed),
        ("cancelled", known.cancelled),
    )
    lines = [f"{n:,} {label}" for label, n in counts if n]
    address = f"{settings.GLMR_PUBLIC_URL.rstrip('/')}/jobs/{job.public_id}/"
    return "\n".join(
        [
            f"The job “{job.name}” of project {job.project} has ended: {known.outcome.label.lower()}.",
            "",
            f"{known.total:,} features:",
            *lines,
            "",
            address,
            "",
            "You asked for this mail on the page of the job, where you can also stop it.",
        ]
    )
