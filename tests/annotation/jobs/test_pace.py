"""The estimated end: simulated jobs, whose true end is known, must end within the range that is shown."""

from __future__ import annotations

from random import Random

import pytest

from annotation.jobs.pace import EndedBatch, TimeLeft, measure_pace


def batches_of(n_features: int) -> list[int]:
    sizes = [4, 16]
    while sum(sizes) + 64 < n_features:
        sizes.append(64)
    return [*sizes, n_features - sum(sizes)]


def shown_and_true(
    *,
    n_features: int = 1500,
    n_workers: int = 1,
    load_s: float = 0.0,
    s_per_feature: float = 0.5,
    seed: int = 0,
) -> list[tuple[TimeLeft | None, float]]:
    """What is shown after each batch, and the true time left then."""
    random = Random(seed)
    free_at = [load_s] * n_workers
    spans: list[tuple[int, float, float]] = []
    for number, size in enumerate(batches_of(n_features)):
        worker = min(range(n_workers), key=free_at.__getitem__)
        begun = 0.0 if number < n_workers else free_at[worker]
        free_at[worker] += sum(random.expovariate(1 / s_per_feature) for _ in range(size))
        spans.append((size, begun, free_at[worker]))
    end = max(free_at)
    answers = []
    for _, _, now in sorted(spans, key=lambda span: span[2])[:-1]:
        ended = [EndedBatch(n, now - begun, now - at) for n, begun, at in spans if at <= now]
        running = [n for n, begun, at in spans if begun <= now < at]
        n_open = n_features - sum(batch.n_features for batch in ended)
        pace = measure_pace(ended)
        answers.append((pace.time_left(n_open, sum(running)) if pace else None, end - now))
    return answers


@pytest.mark.parametrize("n_workers", [1, 2, 4])
@pytest.mark.parametrize("load_s", [0.0, 20.0])
def test_the_true_end_is_within_the_range(n_workers: int, load_s: float) -> None:
    answers = [
        answer
        for seed in range(10)
        for answer in shown_and_true(n_workers=n_workers, load_s=load_s, seed=seed)
    ]
    shown = [(left, true) for left, true in answers if left is not None]
    # At the end, some workers find no work left while the last batch runs.
    hits = [left.low_s <= true <= left.high_s * 1.05 + 15 for left, true in shown]
    assert len(shown) > 0.7 * len(answers)
    assert sum(hits) >= 0.9 * len(hits)


def test_the_range_becomes_narrow() -> None:
    left = [left for left, _ in shown_and_true(n_features=6000) if left is not None]
    half = left[len(left) // 2]
    assert half.high_s < 1.2 * half.low_s


def test_nothing_is_shown_before_it_means_something() -> None:
    two = [EndedBatch(4, 60, 50), EndedBatch(16, 50, 30)]
    assert measure_pace(two) is None
    at_once = [EndedBatch(4, 1.0, 0.9), EndedBatch(16, 0.9, 0.6), EndedBatch(64, 0.6, 0.1)]
    assert measure_pace(at_once) is None
    erratic = measure_pace([EndedBatch(4, 400, 390), EndedBatch(4, 390, 30), EndedBatch(4, 30, 20)])
    assert erratic is not None
    assert erratic.time_left(1000, 0) is None


def test_a_night_without_a_worker_is_not_work() -> None:
    night = 12 * 3600.0
    before = [EndedBatch(64, night + 100 - 30 * n, night + 70 - 30 * n) for n in range(3)]
    after = [EndedBatch(64, 90 - 30 * n, 60 - 30 * n) for n in range(3)]
    pace = measure_pace([*before, *after])
    assert pace is not None
    assert pace.s_per_feature == pytest.approx(30 / 64)


def test_the_turns_of_other_jobs_count() -> None:
    # Each batch takes 10 s. Then another job has its turn.
    pace = measure_pace([EndedBatch(64, 20.0 * n + 10, 20.0 * n) for n in range(20)])
    assert pace is not None
    assert pace.s_per_feature == pytest.approx(20 / 64, rel=0.05)


def test_the_running_batch_is_part_of_the_time_left() -> None:
    steady = [EndedBatch(64, 40.0 + 32 * n, 8.0 + 32 * n) for n in range(4)]
    pace = measure_pace(steady)
    assert pace is not None
    left = pace.time_left(128, 64)
    assert left is not None
    assert [left.low_s, left.expected_s, left.high_s] == [pytest.approx(64 - 8)] * 3
    hanging = [EndedBatch(64, 1040.0 + 32 * n, 1008.0 + 32 * n) for n in range(4)]
    pace = measure_pace(hanging)
    assert pace is not None
    left = pace.time_left(128, 64)
    assert left is not None
    assert left.expected_s == pytest.approx(32)
