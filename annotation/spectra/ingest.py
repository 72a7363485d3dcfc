"""Store uploads with their spectra and a report. Bad content raises no error: the file is refused."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.db import transaction

from annotation.accounts.models import Project
from annotation.plain_text import clean
from annotation.spectra import readers, reading, removal
from annotation.spectra.ions import Ion
from annotation.spectra.issues import IssueLine, IssueLines
from annotation.spectra.models import Spectrum, SpectrumIssue, Upload
from annotation.spectra.records import to_row
from annotation.spectra.store_features import store_features
from models_ml.features.group import FeatureGroup, GroupingSettings
from models_ml.isolation import IsolationError
from models_ml.spectra import formats
from models_ml.spectra.formats import WHOLE_FILE, ReadReport, Tally

# The counts of a report and their labels. They are fields of `PreflightReport` and, after "n_", of `Upload`.
COUNTS = {
    "found": "found",
    "ms2": "MS2",
    "usable": "usable",
    "repaired": "repaired",
    "rejected": "rejected",
    "skipped": "skipped",
}
ROWS_PER_INSERT = 500

Source = Path | File  # type: ignore[type-arg]


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """The report of a file that is not stored. `refusal` is empty unless the whole file would be refused."""

    format: str
    found: int
    ms2: int
    usable: int
    repaired: int
    rejected: int
    skipped: int
    features: int
    issues: tuple[IssueLine, ...]
    ions: Counter[Ion]  # of the features, each as `Ion.coarse` gives it
    refusal: str = ""


def store_upload(
    project: Project,
    user: User,
    source: Source,
    file_name: str,
    grouping: Upload.Grouping = Upload.Grouping.AUTO,
    quantities: Source | None = None,
    sample: str = "",
) -> Upload:
    """Store the file, its spectra, features and report. A refused file has an upload with the reason.

    `quantities`: the quantification table of the file. Its columns are kept with the features, and an issue
    of the file says how many; the table itself is not kept.
    """
    upload = Upload.objects.create(
        grouping=grouping,
        grouping_settings=asdict(_settings(grouping)),
        project=project,
        uploaded_by=user,
        file_name=clean(Path(file_name).name, 255) or "unnamed",
        size_bytes=0,
        sha256="",
        sample=clean(sample, 200),
    )
    with _opened(source) as content:
        if content.size > settings.GLMR_MAX_UPLOAD_BYTES:
            upload.size_bytes = content.size
            return _refuse(upload, _too_large(content.size))
        hashing = _Hashing(content)
        # The file gets a random name. The caller's name is only displayed and never used as a path.
        upload.file.save(uuid.uuid4().hex, hashing, save=False)
    upload.size_bytes, upload.sha256 = hashing.n_bytes, hashing.digest.hexdigest()
    upload.save()
    try:
        with _table(quantities) as table, transaction.atomic():
            _store_content(upload, table)
    except _Refusal as refusal:
        return _refuse(upload, str(refusal))
    upload.state = Upload.State.READY
    upload.save()
    removal.expire()
    return upload


def regroup(upload: Upload, user: User, grouping: Upload.Grouping) -> Upload:
    """Read the stored file again, as another upload with the grouping. The same upload if nothing changes."""
    if upload.grouping == grouping or upload.state != Upload.State.READY:
        return upload
    path = Path(upload.file.path)
    return store_upload(upload.project, user, path, upload.file_name, grouping, sample=upload.sample)


def preflight(
    source: Source, grouping: Upload.Grouping = Upload.Grouping.AUTO, quantities: Source | None = None
) -> PreflightReport:
    """Read the whole file, with its quantification table, and store nothing."""
    tally, issues, ions, file_format, refusal = Tally(), IssueLines(), Counter[Ion](), "", ""
    with ExitStack() as stack:
        path = stack.enter_context(_on_disk(source))
        try:
            _check_size(path.stat().st_size)
            table = stack.enter_context(_table(quantities))
            for item in _read(path, _settings(grouping), table):
                match item:
                    case reading.Detected(format=name):
                        file_format = name
                    case reading.UsableSpectrum(spectrum=spectrum):
                        tally.add(spectrum)
                    case formats.SpectrumIssue():
                        tally.add(item)
                        issues.add(item)
                    case FeatureGroup():
                        ions[_ion(item).coarse()] += 1
            refusal = _no_spectra(tally.report, issues)
        except _Refusal as refused:
            refusal = str(refused)
    report = tally.report
    return PreflightReport(
        format=file_format,
        **{count: getattr(report, count) for count in COUNTS},
        features=ions.total(),
        issues=tuple(issues.kept),
        ions=ions,
        refusal=refusal,
    )


def _ion(group: FeatureGroup) -> Ion:
    proposed = group.proposal.adduct if group.proposal else ""
    return Ion(group.precursor_mz, group.charge, group.adduct or "", group.ion_mode or "", proposed)


class _Refusal(Exception):
    """The whole file is refused. The message is for the person who sent it."""


class _Hashing(File):  # type: ignore[type-arg]
    """A file that is hashed while the storage copies it."""

    def __init__(self, content: File) -> None:  # type: ignore[type-arg]
        super().__init__(content.file, content.name)
        self.digest = hashlib.sha256()
        self.n_bytes = 0

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        for chunk in super().chunks(chunk_size or 2**20):
            self.digest.update(chunk)
            self.n_bytes += len(chunk)
            yield chunk


def _store_content(upload: Upload, table: reading.Table | None) -> None:
    """Store the spectra, features and issues of the file, and set the upload's counts without saving them.

    Raises _Refusal.
    """
    tally, issues = Tally(), IssueLines()
    groups: list[FeatureGroup] = []

    def rows() -> Iterator[Spectrum]:
        for item in _read(Path(upload.file.path), _settings(upload.grouping), table):
            match item:
                case reading.Detected(format=name):
                    upload.format = name
                case reading.UsableSpectrum(source_index=index, spectrum=spectrum, splash=splash):
                    tally.add(spectrum)
                    yield to_row(upload, index, spectrum, splash)
                case formats.SpectrumIssue():
                    tally.add(item)
                    issues.add(item)
                case FeatureGroup():
                    groups.append(item)

    spectra, spectrum_ids = rows(), dict[int, int]()
    while chunk := list(islice(spectra, ROWS_PER_INSERT)):
        stored = Spectrum.objects.bulk_create(chunk)
        spectrum_ids |= {spectrum.source_index: spectrum.pk for spectrum in stored}
    upload.n_features = store_features(upload, groups, spectrum_ids)
    report = tally.report
    for count in COUNTS:
        setattr(upload, f"n_{count}", getattr(report, count))
    if refusal := _no_spectra(report, issues):
        raise _Refusal(refusal)
    SpectrumIssue.objects.bulk_create((_issue_row(upload, issue) for issue in issues.kept), batch_size=2000)


def _settings(grouping: str) -> GroupingSettings:
    return GroupingSettings(mode="off" if grouping == Upload.Grouping.OFF else "auto")


def _issue_row(upload: Upload, issue: IssueLine) -> SpectrumIssue:
    return SpectrumIssue(
        upload=upload,
        source_index=issue.index,
        position=clean(issue.position, 300),
        severity=issue.severity,
        code=clean(issue.code, 40),
        reason=clean(issue.reason),
        remedy=clean(issue.remedy),
        title=clean(issue.title, 300),
        n=issue.n,
    )


def _read(path: Path, grouping: GroupingSettings, table: reading.Table | None) -> Iterator[reading.Item]:
    """The items of the file, read in a child process. Raises _Refusal."""
    try:
        for item in readers.read(path, grouping, table):
            if isinstance(item, reading.Refused):
                raise _Refusal(item.reason)
            yield item
    except IsolationError as error:
        raise _Refusal(f"The file could not be read safely: {error}") from error


def _no_spectra(report: ReadReport, issues: IssueLines) -> str:
    """Why a file without any record is refused. Empty for other files, even if no spectrum is usable."""
    if report.found:
        return ""
    about_file = [issue for issue in issues.kept if issue.index == WHOLE_FILE]
    return (
        " ".join(f"{issue.reason} {issue.remedy}" for issue in about_file) or "The file contains no spectra."
    )


def _check_size(n_bytes: int) -> None:
    if n_bytes > settings.GLMR_MAX_UPLOAD_BYTES:
        raise _Refusal(_too_large(n_bytes))


def _too_large(n_bytes: int) -> str:
    return (
        f"The file has {n_bytes:,} bytes and the limit is {settings.GLMR_MAX_UPLOAD_BYTES:,}. "
        "Split it, or ask the administrator to raise GLMR_MAX_UPLOAD_BYTES."
    )


def _refuse(upload: Upload, reason: str) -> Upload:
    upload.state, upload.refusal, upload.n_features = Upload.State.REFUSED, clean(reason), 0
    for count in COUNTS:
        setattr(upload, f"n_{count}", 0)
    upload.save()
    return upload


@contextmanager
def _opened(source: Source) -> Iterator[File]:  # type: ignore[type-arg]
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield File(stream, name=source.name)
    else:
        yield source


@contextmanager
def _table(source: Source | None) -> Iterator[reading.Table | None]:
    """The quantification table, where the child can read it. Raises _Refusal."""
    if source is None:
        yield None
        return
    with _on_disk(source) as path:
        _check_size(path.stat().st_size)
        yield reading.Table(path, clean(Path(source.name or "").name, 200) or "unnamed")


@contextmanager
def _on_disk(source: Source) -> Iterator[Path]:
    """A path that the child can read: the file itself, or a copy that exists while the block runs."""
    if isinstance(source, Path):
        yield source
        return
    with tempfile.NamedTemporaryFile() as copy:
        for chunk in source.chunks():
            copy.write(chunk)
        copy.flush()
        yield Path(copy.name)
