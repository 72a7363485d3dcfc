"""Lists of samples: common shapes are read, names match with or without endings, faults name the line."""

from __future__ import annotations

import pytest

from annotation.models import Upload
from annotation.spectra.samples import BadList, match, parse


@pytest.mark.parametrize("line", ["a.mzML,S-1", "a.mzML;S-1", "a.mzML\tS-1", '"a.mzML" , "S-1"', "A;S-1"])
def test_a_line_names_a_file_and_its_sample(line: str) -> None:
    uploads = [Upload(pk=1, file_name="a.mzML.gz"), Upload(pk=2, file_name="b.mzML.gz")]
    assert match(parse(f"file,sample\n\n{line}\n"), uploads) == {1: "S-1"}


def test_runs_whose_names_differ_after_a_point_stay_apart() -> None:
    uploads = [Upload(pk=1, file_name="run.1.mzML"), Upload(pk=2, file_name="run.2.mzML")]
    assert match(parse("run.1,S-1\nC:\\data\\run.2.raw,S-2"), uploads) == {1: "S-1", 2: "S-2"}


@pytest.mark.parametrize(
    ("text", "named"),
    [("a.mzML S-1", "Line 1"), ("a,S-1\na,S-2", "Line 2"), ("other.mgf,S-1", "other.mgf")],
)
def test_faults(text: str, named: str) -> None:
    with pytest.raises(BadList, match=named):
        match(parse(text), [Upload(pk=1, file_name="a.mzML")])
