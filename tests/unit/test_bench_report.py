"""How the figures of speed are told, and that the program that tells them asks for all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.speed.__main__ import MODULES, main, measure_all
from bench.speed.figures import Figure, Row
from bench.speed.installing import COMMAND, FIRST_BADGE
from bench.speed.report import as_json, machine, table, write

MET = Row("memory", "150 MB", "at most", 150, Figure([100.0, 120.0, 110.0], (), "MB"), "in all", {"events": 7})
MISSED = Row("accepts", "an empty handler", "at least", 0.75, Figure([1000.0, 2400.0], [2000.0, 4000.0], "a second"))
LEFT_OUT = Row("accepts", "webhook", "at least", 3, None, "apt install webhook")
WHERE = {"python": "3.12.1", "processor": "2 x made up"}


def lines(*rows: Row, broken: dict[str, str] | None = None) -> list[str]:
    return [" ".join(line.split()) for line in table(rows, WHERE, broken).splitlines() if line]


def test_table_tells_median_spread_goal_and_what_was_measured() -> None:
    """Whoever reads it needs nothing else, and sees where it was measured."""
    assert lines(MET, MISSED)[1:] == [
        "memory / 150 MB",
        "met 110 100 .. 120 at most 150",
        "110 MB, 3 turns; in all",
        "accepts / an empty handler",
        "NOT MET 0.55 0.5 .. 0.6 at least 0.75",
        "1,700 against 3,000 a second, 2 turns",
        "python 3.12.1; processor 2 x made up",
    ]


def test_table_says_what_to_do_when_something_was_not_measured() -> None:
    """A program that is not installed is no failure, and no silence."""
    assert "not measured at least 3 apt install webhook" in lines(LEFT_OUT)


def test_table_says_that_a_figure_is_in_doubt() -> None:
    """With why, before what else there is to say."""
    row = Row("p99", "others", "at most", 3, Figure([2.0], [1.0], "ms"), remark="so it is", doubt="sent late")
    told = table([row], {})
    assert re.search(r"^in doubt +2 +2 \.\. 2 +at most 3$", told, re.MULTILINE)
    assert "2 against 1 ms, 1 turn; sent late; so it is" in told


def test_table_says_what_is_broken_beside_what_was_measured() -> None:
    """One measurement that went wrong takes no other away."""
    told = lines(MET, broken={"accepts": "Uncounted: 5 were answered"})

    assert "met 110 100 .. 120 at most 150" in told
    assert "BROKEN accepts: Uncounted: 5 were answered" in told


def test_json_has_every_turn_and_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read what people read in the table, and all that it was made of."""
    path = tmp_path / "new folder" / "bench.json"
    write([MISSED, LEFT_OUT], WHERE, path, broken={"other": "it failed"})

    found = json.loads(path.read_text("utf-8"))
    assert found == as_json([MISSED, LEFT_OUT], WHERE, {"other": "it failed"})
    assert found["machine"] == WHERE
    assert found["broken"] == {"other": "it failed"}
    missed, left_out = found["rows"]
    assert (missed["median"], missed["spread"], missed["turns"]) == (0.55, [0.5, 0.6], [0.5, 0.6])
    assert (missed["goal"], missed["met"]) == ("at least 0.75", False)
    assert (left_out["met"], left_out["remark"]) == (None, "apt install webhook")
    assert "median" not in left_out
    assert str(path) in capsys.readouterr().out


def test_machine_is_told_with_the_versions_that_matter() -> None:
    """A figure without its machine and its versions is worth nothing."""
    told = machine(wrk="4.1.0")

    assert told["wrk"] == "4.1.0"
    assert {"at", "system", "processor", "memory", "python", "sqlite", "badge-bridge", "uvloop"} <= told.keys()
    assert all(told.values())


def test_all_rows_are_told_when_one_measurement_fails() -> None:
    """What went wrong is named, and what comes after it is measured all the same."""
    asked: list[tuple[bool, int]] = []

    def good(*, quick: bool, runs: int) -> Sequence[Row]:
        asked.append((quick, runs))
        return [MET]

    def bad(*, quick: bool, runs: int) -> Sequence[Row]:
        raise AssertionError("5 are stored")

    rows, broken = measure_all([("first", good), ("second", bad), ("third", good)], quick=True, runs=4)

    assert rows == [MET, MET]
    assert broken == {"second": "AssertionError: 5 are stored"}
    assert asked == [(True, 4)] * 2


@pytest.mark.parametrize("runs", ["0", "-1", "many"])
def test_runs_are_refused_when_they_are_none(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured."""
    with pytest.raises(SystemExit) as ended:
        main(["--runs", runs])
    assert ended.value.code == 2
    assert "--runs" in capsys.readouterr().err


def test_each_goal_has_a_module_that_measures_it() -> None:
    """The program knows all of them by the names that `--only` takes."""
    names = [module.__name__.rpartition(".")[2] for module in MODULES]

    assert names == ["accepts", "portal_pressure", "many_rules", "long_history", "serve_memory", "installing"]
    assert all(callable(module.measure) for module in MODULES)


def test_what_is_installed_is_what_the_readme_says() -> None:
    """The first badge is there when the README's first command says so."""
    readme = Path(__file__).resolve().parents[2].joinpath("README.md").read_text("utf-8")

    assert "$ make demo " in readme
    assert COMMAND == ("make", "demo", "ONCE=1")
    assert f"  {FIRST_BADGE}" in readme


def test_rows_are_measured_and_written_when_the_program_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command line to the file, with what needs neither servers nor seconds; how fast it is does not matter."""
    path = tmp_path / "bench.json"
    only = [word for name in ("many_rules", "portal_pressure", "installing") for word in ("--only", name)]

    assert main(["--quick", "--runs", "1", *only, "--json", str(path)]) == 0

    pressure, rules, install = json.loads(path.read_text("utf-8"))["rows"]
    assert pressure["ours"][0] > 1, "many events share a request"
    assert len(rules["ours"]) == len(rules["theirs"]) == 1
    assert (install["met"], install["remark"]) == (None, "takes minutes; make bench without QUICK does it")
    assert "events done for a request to the portal" in capsys.readouterr().out
