"""The pre-flight counts what `annotate` will do, by the same rule, for stored and for unstored files."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation.jobs import actions, preflight
from annotation.models import Feature, Job, Upload
from annotation.spectra import ingest
from models_ml.outcomes import AnnotateParams
from tests.annotation.builders import (
    make_feature,
    make_library_version,
    make_model_version,
    make_spectrum,
    make_upload,
)

POSITIVE = {"positive": "[M+H]+"}
FILE = """BEGIN IONS
PEPMASS=181.0495
CHARGE=1+
ADDUCT=[M+H]+
121.03 100
END IONS
BEGIN IONS
PEPMASS=195.0877
IONMODE=positive
138.07 100
END IONS
BEGIN IONS
PEPMASS=400.2
CHARGE=2+
138.07 100
END IONS
BEGIN IONS
PEPMASS=195.0877
END IONS
"""


@pytest.fixture
def upload(db: None) -> Upload:
    """A complete feature, one without an adduct, one of charge 2 without, one lighter than its adduct."""
    upload = make_upload(n_found=6, n_ms2=5, n_usable=4, n_rejected=1, n_skipped=1)
    make_spectrum(upload)
    make_feature([make_spectrum(upload, grouped=True, adduct="")], proposed_adduct="[M+Na]+")
    make_spectrum(upload, adduct="", charge=2)
    make_spectrum(upload, adduct="[M+Na]+", precursor_mz=20.0)
    return upload


def of(upload: Upload, **params: object) -> preflight.Preflight:
    features = Feature.objects.filter(upload=upload)
    return preflight.of_uploads([upload], features, AnnotateParams(**params))  # type: ignore[arg-type]


def test_each_obstacle_is_counted_once(upload: Upload) -> None:
    found = of(upload)
    assert (found.n_features, found.n_ready, found.n_blocked, found.n_proposed) == (4, 1, 3, 1)
    assert {obstacle.code: obstacle.n_features for obstacle in found.obstacles} == {
        "no_adduct": 2,
        "impossible_mass": 1,
    }
    assert found.action == "Annotate 1 feature (2 lack an adduct, 1 is lighter than its adduct)"


@pytest.mark.parametrize(
    ("params", "ready", "assumed", "from_ms1"),
    [
        ({}, 1, 0, 0),
        ({"assumed_adducts": POSITIVE}, 2, 1, 0),
        ({"assumed_adducts": POSITIVE, "accept_proposed_adducts": True}, 2, 0, 1),
        ({"assumed_adducts": POSITIVE, "adduct_policy": "detected"}, 1, 0, 0),
        ({"accept_proposed_adducts": True, "adduct_policy": "detected"}, 2, 0, 1),
        ({"assumed_adducts": POSITIVE, "adduct_policy": "enforced"}, 3, 3, 0),
        ({"accept_proposed_adducts": True, "adduct_policy": "enforced"}, 0, 0, 0),
    ],
)
def test_the_adduct_policy_decides(
    params: dict[str, object], ready: int, assumed: int, from_ms1: int, upload: Upload
) -> None:
    found = of(upload, **params)
    assert (found.n_ready, found.n_assumed, found.n_from_ms1) == (ready, assumed, from_ms1)


def test_an_unstored_file_has_the_summary_of_the_stored_one(tmp_path: Path, db: None) -> None:
    path = tmp_path / "a.mgf"
    path.write_text(FILE)
    params = AnnotateParams(assumed_adducts=POSITIVE)
    unstored = preflight.of_report(ingest.preflight(path), params)
    project = make_upload().project
    upload = ingest.store_upload(project, project.memberships.get().user, path, path.name)
    assert unstored == preflight.of_uploads([upload], Feature.objects.filter(upload=upload), params)
    assert unstored.action == "Annotate 2 features (1 does not fit the adduct to assume)"
    assert not unstored.is_clean


def test_an_interactive_job_is_small(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MAX_INTERACTIVE_FEATURES", 3)
    with pytest.raises(actions.CannotSubmit, match="4 features"):
        actions.submit(
            project=upload.project,
            user=upload.uploaded_by,
            name="Large",
            features=Feature.objects.filter(upload=upload),
            library_version=make_library_version(),
            model_version=make_model_version(),
            params=AnnotateParams(),
            priority=Job.Priority.INTERACTIVE,
        )
