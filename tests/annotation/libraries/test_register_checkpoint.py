"""The default model: there is exactly one, and workers embed the newest version of every library for it."""

from __future__ import annotations

import pytest

from annotation.libraries.register_checkpoint import make_default
from annotation.models import LibraryEmbedding, ModelVersion
from tests.annotation.builders import make_importing_version, make_library_version, make_model_version

pytestmark = pytest.mark.django_db


def test_the_newest_ready_version_of_each_library_is_embedded_for_a_new_default() -> None:
    other = make_library_version()
    newest = make_library_version(library=make_library_version().library)
    make_importing_version(other.library)
    make_model_version(is_default=True)
    model = make_model_version()

    make_default(model)

    assert model.is_default
    assert ModelVersion.objects.get(is_default=True) == model
    requested = LibraryEmbedding.objects.filter(model_version=model).values_list("version", flat=True)
    assert set(requested) == {newest.pk, other.pk}


def test_a_library_that_is_embedded_is_not_requested_again() -> None:
    model = make_model_version(is_default=True)
    make_library_version(model_version=model)

    make_default(model)

    assert LibraryEmbedding.objects.get().finished_at is not None
