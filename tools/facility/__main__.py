"""Run the trial: docker/try.sh starts this in a network namespace of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from tools.facility.containers import Failed, Podman
from tools.facility.trial import STEPS, Trial, hide, timed


def main() -> int:
    project = Path(__file__).resolve().parents[2]
    folder = Path(os.environ["GLMR_IMAGES"])
    started = time.monotonic()
    # As the first process of its namespace this one would ignore a signal that it has no answer to.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("Stopped."))
    podman = Podman(folder, project)
    podman.clear()
    trial = Trial(podman, project, folder)
    try:
        for title, step in STEPS:
            with timed(title):
                step(trial)
    except (AssertionError, Failed, OSError, TimeoutError) as problem:
        print(hide(f"Error: {problem}"), file=sys.stderr)
        return 1
    finally:
        podman.clear()
    seconds = time.monotonic() - started
    print(f"The images work as a facility's server: {len(STEPS)} steps held in {seconds:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
