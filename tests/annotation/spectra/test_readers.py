"""Who may read a file when, and how much processor time a file may use."""

from __future__ import annotations

import gzip
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from annotation.spectra import readers
from annotation.spectra.readers import Busy, Turns
from annotation.spectra.reading import UsableSpectrum
from models_ml.features.group import GroupingSettings
from models_ml.isolation import IsolationError

SPECTRUM = "BEGIN IONS\nPEPMASS=181.05\n59.01 100\n121.03 50\nEND IONS\n"


@contextmanager
def refused(*, own: bool) -> Iterator[None]:
    with pytest.raises(Busy, match=r"Nothing was stored\. Send the file again") as caught:
        yield
    assert caught.value.own is own


def test_a_reader_is_left_for_other_callers() -> None:
    turns = Turns(n_readers=2, patience_s=0.05)
    with turns.turn("first"):
        with refused(own=True), turns.turn("first"):
            pass
        with turns.turn("second"), refused(own=False), turns.turn("third"):
            pass
    with turns.turn("first"):
        pass


def test_a_single_reader_serves_everybody() -> None:
    turns = Turns(n_readers=1, patience_s=0.05)
    with turns.turn("first"), refused(own=False), turns.turn("second"):
        pass
    with turns.turn("second"):
        pass


def test_a_request_waits_for_its_turn() -> None:
    turns = Turns(n_readers=1, patience_s=20)
    order: list[str] = []

    def read() -> None:
        with turns.turn("second"):
            order.append("second")

    with turns.turn("first"):
        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def test_only_a_few_requests_wait() -> None:
    turns = Turns(n_readers=2, patience_s=20)
    with ExitStack() as held:
        for caller in ("first", "second"):
            held.enter_context(turns.turn(caller))
        release = threading.Event()

        def wait(caller: str) -> None:
            with turns.turn(caller):
                release.wait(20)

        waiting = [threading.Thread(target=wait, args=(name,)) for name in ("third", "fourth")]
        for thread in waiting:
            thread.start()
        time.sleep(0.2)
        started = time.monotonic()
        with refused(own=False), turns.turn("fifth"):
            pass
        assert time.monotonic() - started < 5  # at once, not after the patience
        release.set()
    for thread in waiting:
        thread.join(20)


def test_the_time_budget_grows_with_the_size(tmp_path: Path, settings: Settings) -> None:
    settings.GLMR_PARSE_BASE_S, settings.GLMR_PARSE_S_PER_MIB, settings.GLMR_PARSE_TIMEOUT_S = 10, 4, 600
    small, large, packed, huge = (tmp_path / name for name in ("small", "large", "packed", "huge"))
    small.write_text(SPECTRUM)
    for path, n_bytes in ((large, 10 * 2**20), (huge, 2**30)):
        with path.open("wb") as stream:
            stream.truncate(n_bytes)
    packed.write_bytes(gzip.compress(b"") + b"\0" * 2**20)
    assert [readers.cpu_budget_s(path) for path in (small, large, packed, huge)] == [10, 50, 50, 600]


def test_a_file_beyond_its_budget_gets_a_message(tmp_path: Path, settings: Settings) -> None:
    settings.GLMR_PARSE_BASE_S, settings.GLMR_PARSE_S_PER_MIB = 1, 1
    path = tmp_path / "many.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(100):
            stream.write(SPECTRUM.encode() * 1000)
    items = readers.read(path, GroupingSettings())
    with pytest.raises(IsolationError, match=r"may use \d+ s of .*GLMR_PARSE_S_PER_MIB") as error:
        deque(items, maxlen=0)
    assert error.value.kind == "time"


def test_a_small_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(SPECTRUM)
    assert sum(isinstance(item, UsableSpectrum) for item in readers.read(path, GroupingSettings())) == 1
