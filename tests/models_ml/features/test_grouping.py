"""Grouping of runs and of labelled files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_ml.features.grouping import FeatureGroup, Grouper, GroupingSettings
from models_ml.features.summary import summarise
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.spectrum import Spectrum
from tests.models_ml.features.builders import PEAKS_A, PEAKS_B, scan
from tests.models_ml.spectra.builders import mgf_block


def group(spectra: list[Spectrum], **options: Any) -> list[FeatureGroup]:
    grouper = Grouper(GroupingSettings(**options))
    for index, spectrum in enumerate(spectra):
        grouper.add(index, spectrum)
    return grouper.groups()


def group_file(path: Path, text: str) -> list[FeatureGroup]:
    path.write_text(text)
    grouper, index = Grouper(), 0
    for item in read_spectra(path):
        if isinstance(item, SpectrumIssue):
            grouper.note(item)
        else:
            grouper.add(index, item)
            index += 1
    return grouper.groups()


def members(groups: list[FeatureGroup]) -> list[tuple[int, ...]]:
    return [found.members for found in groups]


def test_repeated_scans_of_one_ion_are_one_feature() -> None:
    (feature,) = group([scan(10), scan(18, 237.1105, scale=3.0), scan(40)])
    assert feature.members == (0, 1, 2)
    assert feature.grouped_by == "computed"
    assert feature.representative == 1
    assert feature.outliers == ()


@pytest.mark.parametrize(
    "other",
    [
        scan(12, ion_mode="negative"),
        scan(12, adduct="[M+Na]+"),
        scan(12, 237.12),
        scan(60),
        scan(12, document=None),
    ],
    ids=["polarity", "adduct", "precursor", "time", "document"],
)
def test_scans_of_different_ions_stay_apart(other: Spectrum) -> None:
    assert members(group([scan(10, adduct=None), other])) == [(0,), (1,)]


def test_different_stated_charges_stay_apart_and_unknown_ones_join() -> None:
    groups = group([scan(10, charge=1, scale=3), scan(11, charge=2), scan(12)])
    assert members(groups) == [(0, 2), (1,)]


def test_a_lone_dissimilar_scan_is_an_outlier_and_stays_a_member() -> None:
    (feature,) = group([scan(10), scan(11), scan(12, peaks=PEAKS_B)])
    assert feature.members == (0, 1, 2)
    assert feature.outliers == (2,)
    assert feature.n_pooled == 2
    assert "outlier" in feature.reason


def test_dissimilar_scans_that_agree_are_a_feature() -> None:
    spectra = [scan(10), scan(11), scan(12, peaks=PEAKS_B), scan(13, peaks=PEAKS_B)]
    assert members(group(spectra)) == [(0, 1), (2, 3)]


def test_a_strong_dissimilar_scan_that_elutes_apart_is_a_feature() -> None:
    assert members(group([scan(10), scan(30, peaks=PEAKS_B)])) == [(0,), (1,)]


def test_energies_are_joined_without_comparison() -> None:
    spectra = [scan(10, collision_energy="20 eV"), scan(11, collision_energy="60 eV", peaks=PEAKS_B)]
    (feature,) = group(spectra)
    assert feature.outliers == ()
    assert "2 collision energies" in feature.reason


def test_a_scan_without_a_time_is_not_grouped() -> None:
    spectra = [scan(10, retention_time_s=None), scan(11)]
    assert members(group(spectra)) == [(0,), (1,)]


def test_modes() -> None:
    spectra = [scan(10), scan(11)]
    assert members(group(spectra, mode="off")) == [(0,), (1,)]
    assert members(group(spectra, mode="file")) == [(0,), (1,)]


def test_labels_of_a_file_state_its_features(tmp_path: Path) -> None:
    text = (
        mgf_block(FEATURE_ID="7", COLLISION_ENERGY="20")
        + mgf_block(FEATURE_ID="7", COLLISION_ENERGY="40")
        + mgf_block(FEATURE_ID="8")
        + mgf_block(FEATURE_ID="8", PEPMASS="300.1")
        + mgf_block()
    )
    groups = group_file(tmp_path / "a.mgf", text)
    assert members(groups) == [(0, 1), (2,), (3,), (4,)]
    assert [found.label for found in groups] == ["7", "8", "8", ""]
    assert "another precursor" in groups[1].reason
    assert groups[4 - 1].grouped_by == "single"


def test_scans_are_labels_only_where_they_join_one_ion(tmp_path: Path) -> None:
    shared = mgf_block(SCANS="1") + mgf_block(SCANS="1") + mgf_block(SCANS="2")
    assert members(group_file(tmp_path / "a.mgf", shared)) == [(0, 1), (2,)]
    library = mgf_block(SCANS="1") + mgf_block(SCANS="1", PEPMASS="300.1")
    assert members(group_file(tmp_path / "b.mgf", library)) == [(0,), (1,)]


@pytest.mark.parametrize("is_before", [True, False])
def test_an_ms1_block_gives_the_pattern_before_or_after_its_spectra(tmp_path: Path, is_before: bool) -> None:
    block = mgf_block(
        "165.0546 1000", "166.0580 98", "167.061 9", "187.0366 300",
        FEATURE_ID="7", MSLEVEL="1", SPECTYPE="CORRELATED MS",
    )  # fmt: skip
    ms2 = mgf_block(FEATURE_ID="7", MSLEVEL="2") + mgf_block(FEATURE_ID="9", MSLEVEL="2")
    with_pattern, without = group_file(tmp_path / "a.mgf", block + ms2 if is_before else ms2 + block)
    assert with_pattern.survey is not None
    assert with_pattern.survey.isotope_intensity.tolist() == [1000, 98, 9]
    assert with_pattern.survey.purity is None
    assert with_pattern.proposal is not None
    assert with_pattern.proposal.adduct == "[M+H]+"
    assert without.survey is None


SIRIUS = """>compound A
>parentmass 165.0546
>ionization [M+H]+
>ms1
165.0546 1000
166.0580 98
>collision 20
91.0542 12.5
119.0491 100
>collision 40
91.0542 100
>compound B
>parentmass 165.0546
>ms2
91.0542 100
"""
MSDIAL = """NAME: A
PRECURSORMZ: 165.0546
MSTYPE: MS1
Num Peaks: 2
165.0546 1000
166.0580 98
MSTYPE: MS2
Num Peaks: 1
91.0542 100

"""


def test_blocks_of_sirius_and_msdial_are_features(tmp_path: Path) -> None:
    first, second = group_file(tmp_path / "a.ms", SIRIUS)
    assert (first.members, second.members) == ((0, 1), (2,))
    assert first.label == ""
    assert first.survey is not None
    assert first.survey.has_pattern
    (feature,) = group_file(tmp_path / "a.mat", MSDIAL)
    assert feature.survey is not None
    assert feature.survey.has_pattern


scans = st.builds(
    scan,
    st.sampled_from([1.0, 5.0, 20.0, 45.0, 90.0, 91.0]),
    st.sampled_from([237.11, 237.1105, 237.113, 300.2]),
    st.sampled_from([PEAKS_A, PEAKS_B]),
    st.sampled_from([1.0, 2.0, 5.0]),
    ion_mode=st.sampled_from(["positive", "negative"]),
    charge=st.sampled_from([None, 1, 2]),
    collision_energy=st.sampled_from(["", "20 eV"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(scans, min_size=1, max_size=14), st.randoms(use_true_random=False))
def test_features_partition_the_spectra_in_any_order(spectra: list[Spectrum], random: Any) -> None:
    groups = group(spectra)
    assert sorted(index for found in groups for index in found.members) == list(range(len(spectra)))
    for found in groups:
        assert found.representative in set(found.members) - set(found.outliers)
        assert len({spectra[index].ion_mode for index in found.members}) == 1
        assert len({spectra[index].charge for index in found.members} - {None}) <= 1
    order = list(range(len(spectra)))
    random.shuffle(order)
    grouper = Grouper()
    for index in order:
        grouper.add(index, spectra[index])
    assert members(grouper.groups()) == members(groups)
    assert summarise(groups).n_spectra == len(spectra)


@pytest.mark.shared
def test_a_real_run(shared_data: Path) -> None:
    grouper, index = Grouper(), 0
    for item in read_spectra(shared_data / "formats/mzml/GNPS00001_D2_p.mzML"):
        if isinstance(item, Spectrum):
            grouper.add(index, item)
            index += 1
    groups = grouper.groups()
    assert (index, len(groups)) == (65, 35)
    for mz in (134.081, 237.1097):
        assert sum(abs((found.precursor_mz or 0) - mz) < 0.001 for found in groups) == 1
