"""What a job would do with uploads: the one summary that the report page and REST dry runs show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotation.spectra.ingest import COUNTS, PreflightReport
from annotation.spectra.ions import Ion
from annotation.spectra.models import FeatureQuerySet, Upload
from models_ml.outcomes import AnnotateParams, CannotAnnotate
from models_ml.spectra.precursor_window import NO_ADDUCT, NOT_ENFORCED

# Why features cannot be annotated, by the code of `mass_window`: of one feature, of several.
OBSTACLES = {
    "no_adduct": ("lacks an adduct", "lack an adduct"),
    "unsuitable_adduct": ("does not fit the adduct to assume", "do not fit the adduct to assume"),
    "no_enforced_adduct": ("has no adduct for its ion mode", "have no adduct for their ion mode"),
    "no_precursor": ("lacks a precursor m/z", "lack a precursor m/z"),
    "unsupported_adduct": ("has an adduct that is not supported", "have an adduct that is not supported"),
    "impossible_mass": ("is lighter than its adduct", "are lighter than their adduct"),
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Features that cannot be annotated for one reason."""

    code: str
    n_features: int
    detail: str  # what is wrong and how to fix it

    @property
    def text(self) -> str:
        """Such as "65 lack an adduct"."""
        one, several = OBSTACLES.get(self.code, ("cannot be annotated", "cannot be annotated"))
        return f"{self.n_features:,} {one if self.n_features == 1 else several}"


@dataclass(frozen=True, slots=True)
class Preflight:
    """The counts of all files together. Spectra that were rejected or skipped belong to no feature."""

    n_files: int
    n_refused_files: int
    n_found: int  # spectra, as are the next five
    n_ms2: int
    n_usable: int
    n_repaired: int
    n_rejected: int
    n_skipped: int
    n_features: int
    n_ready: int  # features that the job can search
    n_no_adduct: int  # features whose file states no adduct
    n_proposed: int  # of these, features for which MS1 suggests one
    n_no_mode: int  # of these, features without an ion mode too
    n_assumed: int  # of the ready features, those with the adduct to assume
    n_from_ms1: int  # of the ready features, those with the adduct that MS1 suggests
    obstacles: tuple[Obstacle, ...]  # the most frequent first

    @property
    def n_blocked(self) -> int:
        return self.n_features - self.n_ready

    @property
    def is_clean(self) -> bool:
        """Nothing was refused, rejected or repaired, and every feature can be annotated."""
        lost = self.n_refused_files or self.n_rejected or self.n_repaired or self.n_blocked
        return bool(self.n_features) and not lost

    @property
    def action(self) -> str:
        """What the button of the submit form says."""
        reasons = ", ".join(obstacle.text for obstacle in self.obstacles)
        if not self.n_ready:
            return f"Nothing can be annotated yet ({reasons})" if reasons else "Nothing can be annotated"
        features = f"{self.n_ready:,} feature{'' if self.n_ready == 1 else 's'}"
        return f"Annotate {features} ({reasons})" if reasons else f"Annotate {features}"


def of_uploads(uploads: Sequence[Upload], features: FeatureQuerySet, params: AnnotateParams) -> Preflight:
    """`features` are those that the job would get. One query."""
    counts = {name: sum(getattr(upload, f"n_{name}") for upload in uploads) for name in COUNTS}
    n_refused = sum(upload.state == Upload.State.REFUSED for upload in uploads)
    return _summarise(counts, features.ions(), params, n_files=len(uploads), n_refused=n_refused)


def of_report(report: PreflightReport, params: AnnotateParams) -> Preflight:
    """For a file that is not stored."""
    counts = {name: getattr(report, name) for name in COUNTS}
    return _summarise(counts, report.ions, params, n_files=1, n_refused=int(bool(report.refusal)))


def _summarise(
    counts: Mapping[str, int],
    ions: Mapping[Ion, int],
    params: AnnotateParams,
    *,
    n_files: int,
    n_refused: int,
) -> Preflight:
    n: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    details: dict[str, str] = {}
    for ion, n_features in ions.items():
        n["features"] += n_features
        if not ion.adduct:
            n["no_adduct"] += n_features
            n["proposed"] += n_features if ion.proposed_adduct else 0
            n["no_mode"] += n_features if not ion.ion_mode and not ion.charge else 0
        window = ion.window(params)
        if isinstance(window, CannotAnnotate):
            code = _code(window)
            blocked[code] += n_features
            details.setdefault(code, window.reason)
            continue
        n["ready"] += n_features
        n["assumed"] += n_features if window.adduct_assumed else 0
        n["from_ms1"] += n_features if not (ion.adduct or window.adduct_assumed) else 0
    return Preflight(
        n_files=n_files,
        n_refused_files=n_refused,
        **{f"n_{name}": counts[name] for name in COUNTS},
        n_features=n["features"],
        n_ready=n["ready"],
        n_no_adduct=n["no_adduct"],
        n_proposed=n["proposed"],
        n_no_mode=n["no_mode"],
        n_assumed=n["assumed"],
        n_from_ms1=n["from_ms1"],
        obstacles=tuple(Obstacle(code, count, details[code]) for code, count in blocked.most_common()),
    )


def _code(reason: CannotAnnotate) -> str:
    """The code of the reason. Three kinds of a missing adduct are told apart: the remedies differ."""
    if reason.code != NO_ADDUCT.code or reason == NO_ADDUCT:
        return reason.code
    return "no_enforced_adduct" if reason == NOT_ENFORCED else "unsuitable_adduct"
