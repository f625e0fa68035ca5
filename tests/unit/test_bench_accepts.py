"""The rows about accepting, of the table of speeds: what they say where they cannot be measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.speed import accepts
from bench.speed.open_loop import Paced
from bench.speed.processes import Running


def test_rows_say_what_to_install_when_there_is_no_load_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them stay in the table, each with its goal."""
    monkeypatch.setenv("PATH", str(tmp_path))

    rows = accepts.measure(quick=True, runs=1)

    assert [(row.goal, row.met, row.remark) for row in rows] == [
        (goal, None, "apt install wrk") for goal in (0.75, 0.75, 3, 1.5, 3)
    ]


@pytest.mark.parametrize(("late", "is_doubtful"), [([0.1, 0.2, 9.0], False), ([0.1, 1.1, 9.0], True)])
def test_latencies_are_in_doubt_when_the_one_who_sends_is_late_himself(late: list[float], is_doubtful: bool) -> None:
    """By more than half of what was measured, in the middle of the turns: one that was disturbed does not matter."""
    told = accepts._doubt([Paced(1_000, 1.0, 2.0, one) for one in late])
    assert bool(told) == is_doubtful
    assert not is_doubtful or "1.1 ms late" in told


def test_processor_time_is_that_of_all_threads_and_workers() -> None:
    """Not that of who waits for it."""
    busy = "import os, time; os.fork()\nwhile time.process_time() < 0.3: pass\ntime.sleep(30)"
    process = subprocess.Popen([sys.executable, "-c", busy], start_new_session=True)
    server = Running(process, 0, Path(os.devnull))
    try:
        deadline = time.monotonic() + 30
        while server.processor_time() < 0.5 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert 0.5 <= server.processor_time() < 5
    finally:
        server.signal(signal.SIGKILL)
        process.wait()
