"""What the tests of exports share."""

from __future__ import annotations

from contextlib import nullcontext

import pytest


@pytest.fixture
def within_test_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build in the transaction of the test, which is quicker. `test_ledger` tests the real snapshot."""
    from annotation.exports import snapshot

    monkeypatch.setattr(snapshot, "held", nullcontext)
