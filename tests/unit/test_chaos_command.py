"""What `make chaos` takes and says."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.__main__ import said_of_rounds
from chaos.mutants import MUTANTS
from chaos.progress import shown
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


def test_broken_builds_of_the_functions_are_those_that_break_no_file() -> None:
    """Of SQLite's store the functions have nothing; one that is named all the same is refused."""
    (of_file, *_) = (mutant.name for mutant in MUTANTS if mutant.is_of_file)
    listed = chaos("--cloud", "--broken", "list").stdout.splitlines()
    assert listed == [mutant.name for mutant in MUTANTS if not mutant.is_of_file]
    assert "takes what is not signed" in listed
    said = chaos("--cloud", "--broken", of_file)
    assert said.returncode == 2
    assert said.stderr.startswith(f"chaos: what {of_file!r} breaks is the store in a file")


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_number_of_rounds_that_is_none_is_refused(rounds: str) -> None:
    """In one line."""
    said = chaos(f"--rounds={rounds}")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == f"chaos: argument --rounds: {rounds!r} is no number of rounds; give 1 or more\n"


def test_seed_that_is_no_number_is_refused() -> None:
    """So too."""
    said = chaos("--seed=x")
    assert (said.returncode, said.stdout, said.stderr) == (
        2,
        "",
        "chaos: argument --seed: 'x' is no seed; give a whole number\n",
    )


@pytest.mark.parametrize(
    ("folder", "why"),
    [("", "File exists"), ("missing/new", "No such file or directory"), ("file/new", "Not a directory")],
)
def test_folder_that_cannot_be_made_is_refused(tmp_path: Path, folder: str, why: str) -> None:
    """Before anything is started, in one line, with broken builds as without."""
    (tmp_path / "file").touch()
    for more in ([], ["--broken", "1"]):
        said = chaos("--keep", str(tmp_path / folder), *more)
        assert (said.returncode, said.stdout) == (2, "")
        expected = f"chaos: --keep {tmp_path / folder}: {why}; name a new folder in one that is there\n"
        assert said.stderr == expected


def test_each_round_is_told_of_in_a_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, so that the report can be kept by itself."""
    with shown(2) as say:
        say(1, 2, "round 1 of 2: 51 calls told of")
        say(2, 2, "round 2 of 2: 102 calls told of")
    assert capsys.readouterr() == ("", "round 1 of 2: 51 calls told of\nround 2 of 2: 102 calls told of\n")


@pytest.mark.parametrize(
    ("there_were", "said"), [(4, "rounds 4"), (19, "rounds 4 and 15 more for faults that had not struck yet")]
)
def test_last_line_says_how_many_rounds_there_were_that_nobody_asked_for(there_were: int, said: str) -> None:
    """And what they were for."""
    assert said_of_rounds(4, replace(REPORT, told={"rounds": there_were})) == said
