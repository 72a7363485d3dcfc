"""Conditional requests: ETag with If-None-Match and If-Match (RFC 9110).

A tag names a state of the record, not the bytes of an answer. So a tag that compression made weak counts too.
"""

from __future__ import annotations

from rest_framework.request import Request

from annotation.api.problems import Problem
from annotation.exports.models import Export
from annotation.jobs.models import Job

CHANGED = "This has changed since you looked. Look again, then decide."


def tags(header: str) -> set[str]:
    """The tags of an If-Match or If-None-Match."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",") if tag.strip()}


def is_unchanged(request: Request, tag: str) -> bool:
    """Whether the caller has this state already: then the answer is 304."""
    return tag in tags(request.headers.get("If-None-Match", ""))


def check_unchanged(request: Request, tag: str) -> None:
    """Raises a 412 `Problem` if the caller names another state. Without the header everything is fine."""
    seen = tags(request.headers.get("If-Match", ""))
    if seen and not seen & {tag, "*"}:
        raise Problem(412, CHANGED, headers={"ETag": tag})


def tag_of_job(job: Job) -> str:
    """Changes with each change of an item, of the job, and with each verdict."""
    return f'"{job.public_id.hex}.{job.updated_at.timestamp():.6f}"'


def tag_of_export(export: Export) -> str:
    return f'"{export.public_id.hex}.{export.state}.{export.attempts}"'
