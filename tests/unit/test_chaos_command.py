"""What `make chaos` takes and says."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from chaos.__main__ import said_of_rounds
from chaos.mutants import MUTANTS
from chaos.report import Report
from support.programs import ROOT

REPORT = Report(happened={}, told={"rounds": 4}, wrong=())


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT / 'tests'}"}
    command = [sys.executable, "-m", "chaos", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_broken_builds_are_listed_by_name() -> None:
    """As they are given, one a line."""
    said = chaos("--broken", "list")
    assert (said.returncode, said.stdout.splitlines()) == (0, [mutant.name for mutant in MUTANTS])


def test_name_that_no_broken_build_has_is_refused() -> None:
    """Before anything is started."""
    said = chaos("--broken", "eats what it is told")
    assert said.returncode == 2
    assert "there is no broken build 'eats what it is told'; --broken list prints their names" in said.stderr


@pytest.mark.parametrize(
    ("there_were", "said"), [(4, "rounds 4"), (19, "rounds 4 and 15 more for faults that had not struck yet")]
)
def test_last_line_says_how_many_rounds_there_were_that_nobody_asked_for(there_were: int, said: str) -> None:
    """And what they were for."""
    assert said_of_rounds(4, replace(REPORT, told={"rounds": there_were})) == said
