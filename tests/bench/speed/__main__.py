"""Measure all rows and print the table: `python -m bench.speed [--quick] [--runs 5] [--only many_rules] [--json FILE]`.

It ends with 1 where something could not be measured as it should be: what was answered is not what is stored, or a
program failed. A goal that is not met is said in the table, and no failure of the measurement.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.speed import accepts, installing, long_history, many_rules, portal_pressure, serve_memory
from bench.speed.contenders import versions
from bench.speed.figures import Row
from bench.speed.report import machine, write

__all__ = ["MODULES", "main", "measure_all"]

MODULES = (accepts, portal_pressure, many_rules, long_history, serve_memory, installing)
"""In the order of the table. Each has `measure(quick, runs)`, which gives its rows."""

RUNS, QUICK_RUNS = 5, 3
_JSON = Path(__file__).resolve().parents[3] / ".artifacts" / "bench.json"

Measure = Callable[..., Sequence[Row]]


def measure_all(measures: Sequence[tuple[str, Measure]], *, quick: bool, runs: int) -> tuple[list[Row], dict[str, str]]:
    """The rows, and what went wrong by the names of those that gave none."""
    rows: list[Row] = []
    broken: dict[str, str] = {}
    for name, measure in measures:
        began = time.perf_counter()
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            rows += measure(quick=quick, runs=runs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are worth having
            traceback.print_exc()
            broken[name] = f"{type(error).__name__}: {error}"
        print(f"  {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return rows, broken


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, with a smaller history; under two minutes")
    parser.add_argument("--runs", type=_count, help=f"of each measurement: {RUNS}, {QUICK_RUNS} of a quick one")
    names = [_name(module) for module in MODULES]
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    parser.add_argument("--json", type=Path, default=_JSON, help="where to put the figures for programs")
    options = parser.parse_args(arguments)
    wanted = [
        (_name(module), module.measure) for module in MODULES if options.only is None or _name(module) in options.only
    ]
    runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    rows, broken = measure_all(wanted, quick=options.quick, runs=runs)
    write(rows, machine(**versions()), options.json, broken=broken)
    return 1 if broken else 0


def _count(text: str) -> int:
    """Of turns: one at least."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of turns; 1 is the least")
    return number


def _name(module: object) -> str:
    return str(getattr(module, "__name__", module)).rpartition(".")[2]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing is written")
