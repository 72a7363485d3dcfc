"""Sample identifiers of files, entered one by one or as a list of file names and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annotation.plain_text import clean
from annotation.spectra.models import Upload

MAX_LIST_CHARACTERS = 200_000
MAX_SAMPLE = 200
_ARCHIVES = {"gz", "zip", "tar", "tgz"}
_FORMATS = {"mgf", "msp", "mat", "txt", "mzml", "mzxml", "ms", "json", "raw", "d"}
_SEPARATORS = ("\t", ";", ",")


class BadList(Exception):
    """The list cannot be used. The message names the line and how to fix it."""


def parse(text: str) -> dict[str, str]:
    """Samples by file name, from lines such as "a.mzML,S-17". The separator is a tab, a semicolon or a comma.

    A sample may contain the separator, a file name may not. A heading names no file, so it does no harm.
    Raises BadList.
    """
    if len(text) > MAX_LIST_CHARACTERS:
        raise BadList(
            f"The list of samples has more than {MAX_LIST_CHARACTERS:,} characters. Use several jobs."
        )
    samples: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        separator = next((mark for mark in _SEPARATORS if mark in line), None)
        if separator is None:
            raise BadList(
                f"Line {number} of the list of samples has no sample. Write the file name, a comma and "
                "the sample."
            )
        name, sample = (part.strip().strip('"').strip() for part in line.split(separator, 1))
        if samples.get(name, sample) != sample:
            raise BadList(
                f"Line {number} of the list of samples states another sample for {name}: {sample} instead of "
                f"{samples[name]}. Keep one of the lines."
            )
        samples[name] = sample
    return samples


def match(samples: Mapping[str, str], uploads: Sequence[Upload]) -> dict[int, str]:
    """The samples by upload. Names match with or without folder and ending. Raises BadList if none does."""
    by_name = {_key(name): sample for name, sample in samples.items()}
    by_stem = {_stem(name): sample for name, sample in samples.items()}
    matched = {}
    for upload in uploads:
        sample = by_name.get(_key(upload.file_name), by_stem.get(_stem(upload.file_name)))
        if sample is not None:
            matched[upload.pk] = sample
    if samples and not matched:
        raise BadList(
            f"The list of samples names none of the files. It starts with {next(iter(samples))}, and the "
            f"first file is {uploads[0].file_name}."
        )
    return matched


def store(uploads: Sequence[Upload], samples: Mapping[int, str]) -> None:
    """Set the sample of each upload that `samples` names. One query at most."""
    changed = []
    for upload in uploads:
        sample = clean(samples.get(upload.pk, upload.sample), MAX_SAMPLE)
        if sample != upload.sample:
            upload.sample = sample
            changed.append(upload)
    if changed:
        Upload.objects.bulk_update(changed, ["sample"])


def _key(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1].casefold()


def _stem(name: str) -> str:
    """The name without the ending of its format, so that "run.1.mzML.gz" is "run.1"."""
    key = _key(name)
    for endings in (_ARCHIVES, _FORMATS):
        stem, _, ending = key.rpartition(".")
        key = stem if stem and ending in endings else key
    return key
