"""A child process that fails in any way leaves the parent alive, with a plain message."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from models_ml.isolation import MIB, ForkServer, IsolationError, run_bounded
from models_ml.unreadable import UnreadableFile
from tests.embedded.processes import eventually

Run = Callable[..., Iterator[Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(preload=("numpy",))
    yield server
    server.close()


@pytest.fixture(params=["spawned", "forked"])
def run(request: pytest.FixtureRequest, server: ForkServer) -> Run:
    """`run_bounded` with a new interpreter, and with a fork of a warm one."""
    return run_bounded if request.param == "spawned" else partial(run_bounded, server=server)


def count_up(stop: int, step: int = 1) -> Iterator[int]:
    yield from range(0, stop, step)


def hog_memory() -> Iterator[int]:
    held = []
    for number in range(10_000):
        held.append(bytearray(10 * MIB))
        yield number


def hog_memory_natively() -> Iterator[int]:
    import numpy as np

    yield 1
    yield int(np.ones(400_000_000).sum())


def yield_forever() -> Iterator[int]:
    yield from itertools.count(1)


def compute_forever() -> Iterator[int]:
    yield 1
    while True:
        pass


def sleep_forever() -> Iterator[int]:
    yield os.getpid()
    while True:
        time.sleep(60)


def die_by_signal(number: int) -> Iterator[int]:
    yield 1
    yield 2
    os.kill(os.getpid(), number)
    yield 3


def write_chain(n_atoms: int) -> Iterator[str]:
    from rdkit import Chem

    yield Chem.MolToSmiles(Chem.MolFromSmiles("C" * n_atoms))


def refuse_file() -> Iterator[int]:
    yield 1
    raise UnreadableFile("It is empty", "line 1", "Upload it again.")


class Unpicklable(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def raise_unpicklable() -> Iterator[int]:
    yield 1
    raise Unpicklable("odd", "ity")


def list_loaded_modules() -> Iterator[str]:
    yield from sorted(sys.modules)


def collect_until_error(items: Iterator[int]) -> tuple[list[int], IsolationError]:
    got: list[int] = []
    try:
        for item in items:
            got.append(item)
    except IsolationError as error:
        return got, error
    raise AssertionError(f"No error after {len(got)} items.")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_items_arrive_in_order(run: Run) -> None:
    assert list(run(count_up, 1000)) == list(range(1000))
    assert list(run(partial(count_up, step=3), 10, batch_size=1)) == [0, 3, 6, 9]
    assert list(run(count_up, 0)) == []


def test_memory_is_bounded(run: Run) -> None:
    got, error = collect_until_error(run(hog_memory, memory_bytes=200 * MIB))
    assert error.kind == "memory"
    assert "memory" in str(error)
    assert got == list(range(len(got)))
    assert 5 <= len(got) <= 20


def test_native_memory_is_bounded(run: Run) -> None:
    assert collect_until_error(run(hog_memory_natively, memory_bytes=200 * MIB))[1].kind == "memory"


def test_an_endless_generator_exceeds_its_cpu_time(run: Run) -> None:
    got, error = collect_until_error(run(yield_forever, cpu_seconds=1))
    assert error.kind == "time"
    assert got[:3] == [1, 2, 3]


def test_endless_computation_is_stopped(run: Run) -> None:
    assert collect_until_error(run(compute_forever, cpu_seconds=1))[1].kind == "time"


def test_silence_and_total_waiting_time_are_bounded(run: Run) -> None:
    for limits in ({"silence_seconds": 1.5}, {"wall_seconds": 1.5}):
        error = collect_until_error(run(sleep_forever, **limits))[1]
        assert error.kind == "time"


def test_a_slow_consumer_uses_no_waiting_time(run: Run) -> None:
    items = run(count_up, 20_000, wall_seconds=10.0, silence_seconds=10.0, batch_size=5_000)
    first = next(items)
    time.sleep(10.5)
    assert [first, *items] == list(range(20_000))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM])
def test_a_crash_is_reported_and_earlier_items_are_kept(run: Run, number: signal.Signals) -> None:
    got, error = collect_until_error(run(die_by_signal, int(number), batch_size=1))
    assert error.kind == "crash"
    assert number.name in str(error)
    assert got == [1, 2]


def test_a_killed_child_counts_as_out_of_memory(run: Run) -> None:
    assert collect_until_error(run(die_by_signal, int(signal.SIGKILL)))[1].kind == "memory"


def test_twenty_thousand_atoms_kill_only_the_child(run: Run) -> None:
    with pytest.raises(IsolationError):
        list(run(write_chain, 20_000))
    assert list(run(write_chain, 3)) == ["CCC"]


def test_exceptions_of_the_function_are_raised_unchanged(run: Run) -> None:
    items = run(refuse_file)
    assert next(items) == 1
    with pytest.raises(UnreadableFile, match=r"It is empty \(line 1\)\. Upload it again\."):
        next(items)


def test_an_exception_that_cannot_be_pickled_is_named(run: Run) -> None:
    error = collect_until_error(run(raise_unpicklable))[1]
    assert error.kind == "crash"
    assert "Unpicklable: oddity" in str(error)


def test_an_abandoned_iterator_kills_its_child(run: Run) -> None:
    items = run(sleep_forever, batch_size=1)
    pid = next(items)
    assert is_alive(pid)
    items.close()  # type: ignore[attr-defined]
    assert eventually(lambda: not is_alive(pid))
    items = run(sleep_forever, batch_size=1)
    pid = next(items)
    del items
    assert eventually(lambda: not is_alive(pid))


def test_no_files_stay_open(run: Run) -> None:
    before = set(os.listdir("/proc/self/fd"))
    list(run(count_up, 5))
    collect_until_error(run(die_by_signal, int(signal.SIGSEGV)))
    assert set(os.listdir("/proc/self/fd")) == before


def test_it_works_from_several_threads(run: Run) -> None:
    results: dict[int, list[int]] = {}

    def work(number: int) -> None:
        results[number] = list(run(count_up, 100 * number))

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: list(range(100 * number)) for number in (1, 2, 3)}


def test_the_child_imports_only_the_module_of_the_function(run: Run) -> None:
    loaded = set(run(list_loaded_modules))
    assert not loaded & {"torch", "celery", "annotation"}
