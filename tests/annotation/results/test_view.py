"""Results as views: complete, in a fixed number of queries, with current channel names."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from annotation.models import Job
from annotation.results.channels import current_names
from annotation.results.load import items_with_results, load_results
from annotation.results.view import CandidateView
from annotation.results.view_fields import Column, follower, view_fields
from tests.annotation.builders import add_candidate, make_annotation, make_job

pytestmark = pytest.mark.django_db


def annotated_job(n_spectra: int) -> Job:
    job = make_job(n_spectra)
    for item in job.items.all():
        make_annotation(item, fused=True)
    return Job.objects.select_related(
        "submitted_by", "library_version__library", "model_version", "reference_version__collection"
    ).get(pk=job.pk)


@pytest.mark.parametrize("n_spectra", [1, 4])
def test_the_number_of_queries_does_not_grow(
    n_spectra: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = annotated_job(n_spectra)
    with django_assert_num_queries(5):  # items, candidates, names, formulas, generated molecules
        results = load_results(job, list(items_with_results(job)))
    assert [result.position for result in results] == list(range(n_spectra))


def test_a_result_holds_its_candidates_in_the_order_of_ranks() -> None:
    job = annotated_job(1)
    (result,) = load_results(job, list(items_with_results(job)), top=2)
    assert result.annotation is not None
    assert [candidate.rank for candidate in result.annotation.candidates] == [1, 2]
    assert result.annotation.candidates[0].name == "compound 1"
    assert result.job.library == job.library_version.library.name


def test_a_spectrum_without_a_result_has_no_annotation() -> None:
    job = make_job(1)
    (result,) = load_results(job, list(items_with_results(job)))
    assert (result.state, result.annotation) == ("pending", None)


@pytest.mark.parametrize(("all_generated", "beams"), [(False, [2]), (True, [1, 2])])
def test_tables_load_only_proposed_molecules(all_generated: bool, beams: list[int]) -> None:
    job = annotated_job(1)
    (result,) = load_results(job, list(items_with_results(job)), all_generated=all_generated)
    assert result.annotation is not None
    assert [molecule.beam_rank for molecule in result.annotation.generated] == beams
    assert result.annotation.proposed_smiles == ("CC(=O)Oc1cccc(C(=O)O)c1",)


def test_an_old_channel_name_is_shown_as_the_current_name() -> None:
    job = annotated_job(1)
    add_candidate(job.annotations.get(), evidence={"explained": 0.25, "fingerprint": 2.0})
    (result,) = load_results(job, list(items_with_results(job)))
    assert result.annotation is not None
    assert result.annotation.candidates[-1].evidence == {"fragment_coverage": 0.25, "fingerprint": 2.0}


def test_current_channel_names_stay() -> None:
    assert current_names({"fragment_coverage": 0.5, "analogs": 1.0}) == {
        "fragment_coverage": 0.5,
        "analogs": 1.0,
    }


def test_a_field_declares_source_column_and_help() -> None:
    fields = {field.name: field for field in view_fields(CandidateView)}
    mass, probability = fields["exact_mass"], fields["probability"]
    assert (mass.type, mass.is_optional, mass.column) == (float, False, Column())
    assert mass.help == "Neutral monoisotopic mass in Da."
    assert (probability.type, probability.is_optional) == (float, True)
    candidate = make_annotation().candidates.select_related("molecule")[0]
    assert mass.read(candidate) == candidate.molecule.exact_mass


def test_a_path_ends_at_a_null_relation() -> None:
    job = make_job(0)
    assert follower("reference_version.collection.name")(job) is None
    assert follower("library_version.library.name")(job) == job.library_version.library.name
