"""The metadata section of mzTab-M: runs, assays, databases, measures, and what the table cells refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from annotation.exports.contents import Contents
from annotation.exports.ties import deciding_score
from annotation.results.view import CandidateView, JobView, ResultView
from annotation.spectra.models import Feature, Upload
from glmr_server import __version__

NULL = "null"
PREFIX = "glmr"
POSITIVE = "[MS, MS:1000130, positive scan, ]"
NEGATIVE = "[MS, MS:1000129, negative scan, ]"
UNKNOWN_POLARITY = "[, , polarity not stated, ]"
AREA = "[MS, MS:1001844, MS1 feature area, ]"
HEIGHT = "[MS, MS:1001843, MS1 feature maximum intensity, ]"
# Columns of quantification tables that hold one sample each, with their unit, the preferred one first.
SAMPLE_COLUMNS = (
    (re.compile(r"^(?P<sample>.+?) Peak area$"), AREA),
    (re.compile(r"^(?P<sample>.+?) Peak height$"), HEIGHT),
)
MEASURES = (
    "[, , GLMR calibrated probability of the candidate, ]",
    "[, , GLMR similarity to generated molecules, ]",
    "[, , GLMR embedding similarity, ]",
)
REFERENCE = "https://doi.org/10.48550/arXiv.2511.06259"


@dataclass(frozen=True, slots=True)
class Run:
    number: int
    upload: Upload
    polarities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """What the rows refer to."""

    runs: Mapping[int, Run]  # by upload
    samples: tuple[str, ...]  # columns of the quantification table, one for each assay
    unit: str
    job: JobView
    measures: tuple[str, ...] = MEASURES

    @property
    def assay_numbers(self) -> range:
        """One assay for each sample; without a quantification table one for each run."""
        return range(1, max(1, len(self.samples) or len(self.runs)) + 1)

    def run_of(self, result: ResultView) -> Run:
        return self.runs[result.spectrum.upload_id]

    def abundances(self, quantities: Mapping[str, str]) -> list[float | None]:
        if not self.samples:
            return [None for _ in self.assay_numbers]
        return [_number(quantities.get(column, "")) for column in self.samples]

    def identifier(self, candidate: CandidateView) -> str:
        """Of the molecule in the library version that the job searched."""
        return f"{PREFIX}:{candidate.inchikey_first_block}"

    def ties(self, candidate: CandidateView, others: Sequence[CandidateView]) -> list[CandidateView]:
        """The other candidates that no score tells from this one."""
        score = deciding_score(candidate)
        return [o for o in others if o.rank != candidate.rank and deciding_score(o) == score]


def study_of(contents: Contents) -> Study:
    """Two queries."""
    features = Feature.objects.filter(job_items__job=contents.job)
    modes: dict[int, set[str]] = {}
    for upload_id, mode in features.order_by().values_list("upload_id", "ion_mode").distinct():
        modes.setdefault(upload_id, set()).add(mode)
    uploads = Upload.objects.in_bulk(modes)
    runs = {
        pk: Run(number, uploads[pk], _polarities(modes[pk])) for number, pk in enumerate(sorted(modes), 1)
    }
    rows = features.exclude(quantities={}).order_by("upload_id").distinct("upload_id")
    samples, unit = _samples(list(rows.values_list("quantities", flat=True)))
    return Study(runs, samples, unit, contents.job_view())


def _polarities(modes: set[str]) -> tuple[str, ...]:
    known = [name for name, mode in ((POSITIVE, "positive"), (NEGATIVE, "negative")) if mode in modes]
    return tuple(known) or (UNKNOWN_POLARITY,)


def _samples(tables: Sequence[Mapping[str, str]]) -> tuple[tuple[str, ...], str]:
    columns = sorted({column for table in tables for column in table})
    for pattern, unit in SAMPLE_COLUMNS:
        if found := tuple(filter(pattern.match, columns)):
            return found, unit
    return (), AREA


def _sample_name(column: str) -> str:
    found = next((match for pattern, _ in SAMPLE_COLUMNS if (match := pattern.match(column))), None)
    return found["sample"] if found else column


def metadata_lines(contents: Contents, study: Study) -> Iterator[str]:
    """Every field that the specification makes mandatory, and the provenance."""
    for name, value in _fields(contents, study):
        yield f"MTD\t{name}\t{_one_line(value)}"


def _fields(contents: Contents, study: Study) -> Iterator[tuple[str, str]]:
    job = contents.job
    yield "mzTab-version", "2.0.0-M"
    yield "mzTab-ID", f"GLMR-{contents.export.public_id}"
    yield "title", job.name
    yield (
        "description",
        f"{contents.n_features} features of job {job.public_id}, filter: {contents.export.filter or 'none'}, "
        f"snapshot {contents.snapshot.id} of {contents.snapshot.taken_at.isoformat(timespec='seconds')}",
    )
    yield "software[1]", f"[, , GLMR Server, {__version__}]"
    for number, (name, value) in enumerate(contents.facts().items(), 1):
        if value not in (None, ""):
            yield f"software[1]-setting[{number}]", f"{name}: {value}"
    yield "quantification_method", "[MS, MS:1001834, LC-MS label-free quantitation analysis, ]"
    yield "publication[1]", f"uri:{REFERENCE}"
    for run in study.runs.values():
        yield f"ms_run[{run.number}]-location", f"file:///{quote(run.upload.file_name)}"
        for number, polarity in enumerate(run.polarities, 1):
            yield f"ms_run[{run.number}]-scan_polarity[{number}]", polarity
        yield f"ms_run[{run.number}]-hash", run.upload.sha256
        yield f"ms_run[{run.number}]-hash_method", "[MS, MS:1003151, SHA-256, ]"
    yield from _assays(study)
    yield "cv[1]-label", "MS"
    yield "cv[1]-full_name", "PSI-MS controlled vocabulary"
    yield "cv[1]-version", "4.1.258"
    yield "cv[1]-uri", "https://purl.obolibrary.org/obo/ms.obo"
    yield "database[1]", f"[, , {_in_parameter(study.job.library)}, ]"
    yield "database[1]-prefix", PREFIX
    yield "database[1]-version", f"{study.job.library_version} (SHA-256 {study.job.library_sha256})"
    yield "database[1]-uri", NULL
    yield "small_molecule-quantification_unit", study.unit
    yield "small_molecule_feature-quantification_unit", study.unit
    yield (
        "small_molecule-identification_reliability",
        "[MS, MS:1002955, hr-ms compound identification confidence level, ]",
    )
    for number, measure in enumerate(study.measures, 1):
        yield f"id_confidence_measure[{number}]", measure


def _assays(study: Study) -> Iterator[tuple[str, str]]:
    """The samples share the runs: a quantification table does not say which file is which sample."""
    runs = [f"ms_run[{run.number}]" for run in study.runs.values()]
    for number in study.assay_numbers:
        name = _sample_name(study.samples[number - 1]) if study.samples else f"run {number}"
        yield f"assay[{number}]", name
        yield f"assay[{number}]-ms_run_ref", "|".join(runs) if study.samples else f"ms_run[{number}]"
    yield "study_variable[1]", "undefined"
    yield "study_variable[1]-assay_refs", "|".join(f"assay[{number}]" for number in study.assay_numbers)
    yield "study_variable[1]-description", "All assays. The server knows no groups of samples."


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _one_line(value: str) -> str:
    return " ".join(value.split()) or NULL


def _in_parameter(text: str) -> str:
    """A comma or bracket would end the parameter."""
    return re.sub(r"[\[\],]+", " ", text).strip()
