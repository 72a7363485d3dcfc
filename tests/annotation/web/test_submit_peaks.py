"""One spectrum without a file: pasted peaks, or a reference spectrum of this server."""

from __future__ import annotations

import pytest
from django.urls import reverse

from annotation.models import ReferenceCollection, ReferenceSpectrum, ReferenceVersion, Spectrum, Upload
from annotation.spectra.pasted import BadPeaks, parse_peaks
from tests.annotation.builders import make_project
from tests.annotation.web.dom import Dom, Response
from tests.annotation.web.world import World


@pytest.mark.parametrize(
    "text",
    ["65.0386 12\n121.0284 100", "65.0386\t12\n\n121.0284\t100\n", "65.0386;12\r\n121.0284;100",
     "65.0386:12 121.0284:100", "65.0386,12\n121.0284,100"],
)  # fmt: skip
def test_peaks_in_common_shapes(text: str) -> None:
    assert parse_peaks(text) == [(65.0386, 12.0), (121.0284, 100.0)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no peaks"),
        ("65.0 12\n121.0", "Line 2"),
        ("m/z intensity", "Line 1"),
        ("65,03 12,5", "points"),
        ("121,03 100", "points"),
        ("1,2,3", "points"),
    ],
)
def test_bad_peaks_name_the_line_and_the_fix(text: str, named: str) -> None:
    with pytest.raises(BadPeaks, match=named):
        parse_peaks(text)


def send(world: World, **fields: object) -> Response:
    return world.client("submitter").post(reverse("submit"), {"project": world.project.pk, **fields})


def test_pasted_peaks_become_a_report(world: World) -> None:
    response = send(
        world, kind="peaks", precursor_mz="181.0495", adduct="M+H", title="mine", peaks="65.03 12\n121.02 100"
    )
    dom = Dom(world.client("submitter").get(response.headers["Location"]))
    assert dom.text("#start") == "Annotate 1 feature"
    spectrum = Spectrum.objects.latest("pk")
    assert (spectrum.title, spectrum.adduct, spectrum.n_peaks) == ("mine", "[M+H]+", 2)


def test_bad_input_stays_in_the_form(world: World) -> None:
    response = send(world, kind="peaks", precursor_mz="181", adduct="[M+Xx]+", peaks="65.03 12\nnoise")
    assert response.status_code == 422
    dom = Dom(response)
    assert "Line 2" in dom.text("#peaks_peaks_error")
    assert dom.has("#peaks_adduct_error")
    assert "noise" in dom.text("textarea")


@pytest.mark.parametrize("text", ["MSBNK-Test-1", " mzspec:MASSBANK::accession:MSBNK-Test-1 "])
def test_a_reference_spectrum_is_found_by_its_accession(text: str, world: World) -> None:
    add_reference(world, "MSBNK-Test-1")
    response = send(world, kind="accession", accession=text)
    assert response.status_code == 302
    spectrum = Spectrum.objects.latest("pk")
    assert (spectrum.title, spectrum.external_id) == ("MSBNK-Test-1", "MSBNK-Test-1")
    assert spectrum.claimed_smiles == ""
    assert Upload.objects.latest("pk").file_name == "MSBNK-Test-1.json"


def test_references_of_other_projects_are_not_found(world: World) -> None:
    add_reference(world, "MSBNK-Secret-1", project=make_project())
    response = send(world, kind="accession", accession="MSBNK-Secret-1")
    assert response.status_code == 422
    assert "MSBNK-Secret-1" in Dom(response).text("#accession_accession_error")


def add_reference(world: World, title: str, **owner: object) -> None:
    version = ReferenceVersion.objects.create(
        collection=ReferenceCollection.objects.create(name=f"Collection of {title}", **owner),
        number=1,
    )
    measured = world.annotation.spectrum
    ReferenceSpectrum.objects.create(
        version=version, position=0, molecule=world.annotation.candidates.get(rank=1).molecule, title=title,
        precursor_mz=181.0495, adduct="[M+H]+", origin="test", n_peaks=measured.n_peaks,
        mz_bytes=measured.mz_bytes, intensity_bytes=measured.intensity_bytes, splash="s",
    )  # fmt: skip
    version.state = ReferenceVersion.State.READY
    version.save()
