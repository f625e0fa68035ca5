"""The table of rows, for people and as JSON."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.speed.figures import Figure, Row

__all__ = ["as_json", "machine", "table", "write"]

_PACKAGES = ("badge-bridge", "functions-framework", "starlette", "uvicorn", "uvloop", "httptools", "pydantic")


def machine(**others: str) -> dict[str, str]:
    """Where this was measured, and with which versions; `others` are those of programs that are not Python's."""
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "memory": _memory(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in _PACKAGES},
        **others,
    }


def _processor() -> str:
    names = _said_by("/proc/cpuinfo", "model name")
    return f"{os.cpu_count()} x {names or platform.processor() or platform.machine()}"


def _memory() -> str:
    size = _said_by("/proc/meminfo", "MemTotal")
    return f"{int(size.split()[0]) / 1024**2:.0f} GiB" if size else "unknown"


def _said_by(path: str, name: str) -> str:
    """The first line of this name in a file of the kernel's; empty where there is none."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def table(rows: Sequence[Row], where: Mapping[str, str], broken: Mapping[str, str] | None = None) -> str:
    """Two lines a row: the median, its spread over the turns, the goal, and whether it is met; and what was measured."""
    lines = [f"{'':11} {'median':>8} {'smallest .. largest':>22} {'goal':>13}"]
    for row in rows:
        lines += ["", f"{row.what} / {row.against}", *_lines(row)]
    for name, problem in (broken or {}).items():
        lines += ["", f"BROKEN      {name}: {problem}"]
    return "\n".join([*lines, "", "; ".join(f"{name} {value}" for name, value in where.items())])


def _lines(row: Row) -> Sequence[str]:
    goal = f"{row.sense} {row.goal:g}"
    if row.figure is None:
        return [f"not measured {'':30} {goal:>13}  {row.remark}"]
    smallest, largest = map(_short, row.figure.spread)
    met = "in doubt" if row.doubt else "met" if row.met else "NOT MET"
    lines = [f"{met:11} {_short(row.figure.median):>8} {f'{smallest} .. {largest}':>22} {goal:>13}"]
    told = "; ".join(filter(None, (_measured(row.figure), row.doubt, row.remark)))
    return [*lines, f"{'':11} {told}"]


def _measured(figure: Figure) -> str:
    turns = f"{len(figure.ours)} {'turn' if len(figure.ours) == 1 else 'turns'}"
    ours = _short(statistics.median(figure.ours))
    if not figure.theirs:
        return f"{ours} {figure.unit}, {turns}"
    return f"{ours} against {_short(statistics.median(figure.theirs))} {figure.unit}, {turns}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_json(rows: Sequence[Row], where: Mapping[str, str], broken: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`machine`, `rows` with every turn, and `broken`: what could not be measured as it should be, by its name."""
    return {"machine": dict(where), "rows": [_row(row) for row in rows], "broken": dict(broken or {})}


def _row(row: Row) -> dict[str, Any]:
    figure = row.figure
    measured: dict[str, Any] = {}
    if figure is not None:
        measured = {
            "median": figure.median,
            "spread": list(figure.spread),
            "turns": figure.values,
            "ours": list(figure.ours),
            "theirs": list(figure.theirs),
            "unit": figure.unit,
        }
    said = {"what": row.what, "against": row.against, "goal": f"{row.sense} {row.goal:g}", "met": row.met}
    return {**said, **measured, "doubt": row.doubt, "remark": row.remark, "details": dict(row.details)}


def write(
    rows: Sequence[Row], where: Mapping[str, str], path: Path, *, broken: Mapping[str, str] | None = None
) -> None:
    """The JSON in a file, and the table on standard output."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(rows, where, broken), indent=2) + "\n", "utf-8")
    print(table(rows, where, broken))
    print(f"as JSON: {path}")
