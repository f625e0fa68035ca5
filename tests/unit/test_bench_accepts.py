"""The rows about accepting, of the table of speeds: what they say where they cannot be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.speed import accepts


def test_rows_say_what_to_install_when_there_is_no_load_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them stay in the table, each with its goal."""
    monkeypatch.setenv("PATH", str(tmp_path))

    rows = accepts.measure(quick=True, runs=1)

    assert [(row.goal, row.met, row.remark) for row in rows] == [
        (goal, None, "apt install wrk") for goal in (0.75, 0.75, 3, 1.5, 3)
    ]
