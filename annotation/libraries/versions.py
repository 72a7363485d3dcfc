"""What versions of libraries and of reference collections have in common: a number and a state."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models

from annotation.accounts.visibility import SharedQuerySet

V = TypeVar("V", bound=models.Model)


class VersionState(models.TextChoices):
    """A version of a reference collection is importing only inside the transaction of its import."""

    IMPORTING = "importing", "Importing"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"


class VersionQuerySet(SharedQuerySet[V]):
    def ready(self) -> Self:
        """Versions that jobs can use: their import has ended without failure."""
        return self.filter(state=VersionState.READY)

    def importing(self) -> Self:
        return self.filter(state=VersionState.IMPORTING)
