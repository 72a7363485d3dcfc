"""Features on their way through the server: stored with an upload, annotated together, shown by member."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from annotation.jobs import actions, ledger
from annotation.models import Annotation, Feature, FeatureMember, JobItem, Upload
from annotation.results import record
from annotation.results.members import load_members
from annotation.spectra.ingest import preflight, store_upload
from models_ml.outcomes import Annotated, AnnotateParams, MemberOutcome, RankedCandidate
from tests.annotation.builders import (
    make_annotation,
    make_feature,
    make_job,
    make_library_version,
    make_model_version,
    make_project,
    make_spectrum,
    make_upload,
    make_user,
)
from tests.annotation.results.test_record import PROVENANCE
from tests.annotation.web.dom import Dom

pytestmark = pytest.mark.django_db

BLOCK = """BEGIN IONS
FEATURE_ID={label}
TITLE={label} at {energy} eV
PEPMASS=181.0495
CHARGE=1+
COLLISION_ENERGY={energy} eV
RTINSECONDS=61.5
121.0284 100
139.0390 {energy}
END IONS
"""
LABELLED = "".join(BLOCK.format(label=label, energy=energy) for label, energy in ((7, 20), (7, 40), (8, 20)))


def upload(grouping: Upload.Grouping = Upload.Grouping.AUTO) -> Upload:
    file = SimpleUploadedFile("run.mgf", LABELLED.encode())
    return store_upload(make_project(), make_user(), file, "run.mgf", grouping)


def test_an_upload_stores_the_features_that_the_file_states() -> None:
    stored = upload()
    assert (stored.n_usable, stored.n_features, stored.grouping) == (3, 2, "auto")
    first, second = stored.features.order_by("number")
    assert (first.label, first.grouped_by, first.n_members, first.n_outliers) == ("7", "file", 2, 0)
    assert first.reason
    assert (second.n_members, second.grouped_by) == (1, "file")
    assert first.precursor_mz == pytest.approx(181.0495)
    members = first.members.order_by("spectrum__source_index").values_list(
        "spectrum__source_index", flat=True
    )
    assert list(members) == [0, 1]
    assert FeatureMember.objects.filter(feature__upload=stored).count() == 3


def test_grouping_can_be_off() -> None:
    assert upload(Upload.Grouping.OFF).n_features == 3
    file = SimpleUploadedFile("run.mgf", LABELLED.encode())
    assert preflight(file).features == 2


def test_a_stored_feature_never_changes() -> None:
    feature = make_feature()
    with pytest.raises(IntegrityError), transaction.atomic():
        Feature.objects.update(adduct="[M+Na]+")
    with pytest.raises(IntegrityError), transaction.atomic():
        feature.members.update(is_outlier=True)


def test_skipped_spectra_of_one_reason_are_one_line() -> None:
    survey = "BEGIN IONS\nMSLEVEL=1\nPEPMASS=181.0495\n181.0495 100\nEND IONS\n"
    file = SimpleUploadedFile("run.mgf", (survey * 3 + LABELLED).encode())
    stored = store_upload(make_project(), make_user(), file, "run.mgf")
    (line,) = stored.issues.filter(severity="skipped")
    assert (line.n, stored.n_skipped) == (3, 3)
    assert line.position.startswith("3 spectra, first at ")


def several() -> tuple[Feature, JobItem]:
    """A feature of two spectra and an outlier, and its item."""
    source = make_upload()
    members = [make_spectrum(source, grouped=True, collision_energy=f"{n} eV") for n in (20, 40, 60)]
    feature = make_feature(members[:2], members[2:], purity=0.82, isotope_mz=[181.05, 182.05],
                           isotope_intensity=[100.0, 10.0])  # fmt: skip
    return feature, make_job(features=[feature]).items.get()


def test_a_claim_has_the_members_without_outliers_and_counts_them() -> None:
    feature, item = several()
    make_job(3)
    batch = ledger.claim(limit=2, worker="w")
    assert batch is not None
    (claimed,) = batch.items
    assert claimed.id == item.pk
    assert (batch.n_spectra, len(claimed.feature.members)) == (2, 2)
    assert claimed.member_ids[claimed.feature.representative] == feature.representative_id


def test_a_feature_larger_than_the_limit_is_claimed_alone() -> None:
    _, item = several()
    batch = ledger.claim(limit=1, worker="w")
    assert batch is not None
    assert [claimed.id for claimed in batch.items] == [item.pk]


def test_a_batch_is_split_by_spectra() -> None:
    several()
    batch = ledger.claim(limit=10, worker="w")
    assert batch is not None
    twice = batch.only([*batch.items, *batch.items])
    assert [part.n_spectra for part in twice.split(3)] == [2, 2]


@pytest.mark.parametrize(("accepted", "adduct"), [(True, "[M+Na]+"), (False, None)])
def test_a_proposed_adduct_is_used_only_if_it_is_accepted(accepted: bool, adduct: str | None) -> None:
    spectrum = make_spectrum(grouped=True, adduct="")
    feature = make_feature([spectrum], proposed_adduct="[M+Na]+", proposed_adduct_reason="M+H is there.")
    model = make_model_version()
    actions.submit(
        project=feature.project,
        user=make_user(),
        name="batch",
        features=[feature.pk],
        library_version=make_library_version(model_version=model),
        model_version=model,
        params=AnnotateParams(accept_proposed_adducts=accepted),
    )
    batch = ledger.claim(limit=2, worker="w")
    assert batch is not None
    assert batch.features[0].members[0].adduct == adduct
    assert batch.items[0].adduct_from_ms1 is accepted


def test_the_evidence_of_each_member_is_recorded_and_shown() -> None:
    _, item = several()
    batch = ledger.claim(limit=4, worker="w")
    assert batch is not None
    molecules = [entry.molecule for entry in item.job.library_version.entries.select_related("molecule")][:2]
    candidates = tuple(
        RankedCandidate(
            rank, m.pk, m.smiles, m.inchikey_first_block, m.formula, m.exact_mass, 0.1, rank, 0.5, None,
            {"fingerprint": 1.0}, 0.4,
        )
        for rank, m in enumerate(molecules, 1)
    )  # fmt: skip
    members = tuple(
        MemberOutcome(
            index,
            p_right=0.6 - index / 2,
            top_key=molecules[index].pk,
            top_probability=0.6,
            evidence={m.pk: {"fingerprint": 3.0 + index} for m in molecules},
        )
        for index in range(2)
    )
    outcome = Annotated("[M+H]+", False, 180.04, 2, candidates, (), {}, None, members)
    record.finish(batch, [outcome], PROVENANCE)

    annotation = Annotation.objects.select_related("item").get()
    shown = load_members(annotation)
    assert [member.p_right for member in shown] == [0.6, 0.1, None]
    assert [member.is_outlier for member in shown] == [False, False, True]
    assert shown[1].top_smiles == molecules[1].smiles


def test_the_page_shows_every_spectrum_of_a_feature() -> None:
    feature, item = several()
    second = feature.members.order_by("spectrum__source_index")[1].spectrum
    annotation = make_annotation(
        item,
        fused=True,
        members=[
            {"spectrum": pk, "p_right": 0.5, "p_absent": 0.1, "top": None, "top_probability": None,
             "code": "", "reason": "", "probabilities": {}, "evidence": {"1": {"fingerprint": 8.25}}}
            for pk in (feature.representative_id, second.pk)
        ],
    )  # fmt: skip
    browser = Client()
    browser.force_login(make_user(is_superuser=True))
    url = reverse("annotation-detail", args=[annotation.public_id])
    dom = Dom(browser.get(url))
    assert len(dom.all("[data-member]")) == 3
    assert dom.has('[data-value="purity"]')
    assert dom.has("[data-isotopes]")
    assert not dom.has("[data-by-member]")

    alone = Dom(browser.get(f"{url}?candidate=1&member={second.source_index}"))
    assert alone.get("[data-by-member]").get("data-by-member") == str(second.source_index)
    assert alone.values("#plot-options [name=member] [selected]", "value") == [str(second.source_index)]
    assert "8.25" in alone.text('[data-channel="fingerprint"]')


def test_a_raw_run_makes_fewer_features_than_scans(shared_data: Path) -> None:
    path = shared_data / "formats/mzml/GNPS00001_D2_p.mzML"
    stored = store_upload(make_project(), make_user(), path, path.name)
    assert stored.n_usable == 65
    assert stored.n_features < 45
    assert FeatureMember.objects.filter(feature__upload=stored).count() == 65
    assert stored.features.filter(purity__isnull=False).exists()
    (skipped,) = stored.issues.filter(severity="skipped")
    assert skipped.n == stored.n_skipped > 1
