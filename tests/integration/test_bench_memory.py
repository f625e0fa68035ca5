"""The memory of `serve` is measured with a real one, whose events are counted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.speed.serve_memory import _turn


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
def test_turn_ends_all_events_when_it_measures(tmp_path: Path) -> None:
    """It would raise where one of them was lost, doubled, dead or still waiting; how much memory that took does not matter."""
    before, after = _turn(tmp_path, 10, 200)

    assert 10 < before < 1_000
    assert 10 < after < 1_000, "both are megabytes of a Python process"
