"""The settings of a job on their way to the form: from a URL, from a preset, or from a job to run again.

They are kept as text by field of `RunForm`, as a browser sends them. A later source replaces an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.jobs.models import Job
from annotation.jobs.parameters import from_json
from annotation.web.forms import RunForm

FIELDS = tuple(RunForm.base_fields)
# What a preset keeps. The name belongs to one job.
PRESET_FIELDS = tuple(name for name in FIELDS if name != "name")


def sent(data: Mapping[str, Any], names: tuple[str, ...] = FIELDS) -> dict[str, str]:
    """The settings in a query or a form. An empty value is a choice too, such as no reference spectra."""
    return {name: str(data[name])[:200] for name in names if name in data}


def of_job(job: Job) -> dict[str, str]:
    """The settings of a job, so that the form can repeat it."""
    params = from_json(job.params)
    return {
        "name": job.name,
        "library_version": str(job.library_version_id),
        "reference_version": str(job.reference_version_id or ""),
        "model_version": str(job.model_version_id),
        "method": params.method,
        "precursor_tolerance_ppm": f"{params.precursor_tolerance_ppm:g}",
        "adduct_policy": params.adduct_policy,
        "positive_adduct": params.assumed_adducts.get("positive", ""),
        "negative_adduct": params.assumed_adducts.get("negative", ""),
        "accept_proposed_adducts": "on" if params.accept_proposed_adducts else "",
        "priority": str(job.priority),
    }


def complete(form: RunForm, settings: Mapping[str, str]) -> dict[str, Any]:
    """The settings with the defaults of the form, as if a person had sent them."""
    defaults = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {name: getattr(value, "pk", value) for name, value in defaults.items()} | dict(settings)
