"""How long it takes from nothing to the first badge: a clone of this repository, and the README's first command in it.

Everything is fetched anew from the package index that pip is configured with, so the network is measured as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.speed.figures import Figure, Row

__all__ = ["COMMAND", "FIRST_BADGE", "measure"]

GOAL = 120
COMMAND = ("make", "demo", "ONCE=1")
FIRST_BADGE = "✓ her card on the kanban shows it"
"""What the demo says when it is there."""

_PATIENCE = 900
_REPOSITORY = Path(__file__).resolve().parents[3]
_NO_INDEX = (
    "No matching distribution",
    "Could not find a version",
    "Failed to establish",
    "ConnectionError",
    "Max retries",
)
"""How pip says that it reaches none."""


def measure(*, quick: bool, runs: int) -> list[Row]:
    """One row."""
    if quick:
        return [_row(None, "takes minutes; make bench without QUICK does it")]
    for program in ("git", "make"):
        if shutil.which(program) is None:
            return [_row(None, f"apt install {program}")]
    took = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            seconds, problem = _install(Path(folder) / "badge-bridge")
        if problem:
            return [_row(None, problem)]
        took.append(seconds)
    return [_row(Figure(took, (), "s"), "")]


def _row(figure: Figure | None, remark: str) -> Row:
    return Row("installing from nothing and the first badge", f"{GOAL} s", "at most", GOAL, figure, remark)


def _install(clone: Path) -> tuple[float, str]:
    """Seconds, and why it could not be measured, where there is a reason.

    Raises:
        AssertionError: it went wrong although packages could be had.
    """
    began = time.perf_counter()
    ran = subprocess.run(
        ["git", "clone", "--quiet", str(_REPOSITORY), str(clone)],  # noqa: S607 - the user's
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        return 0.0, f"needs a clone of the repository: {ran.stderr.strip()}"
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS"}
    }
    ran = subprocess.run(
        [*COMMAND, f"PYTHON={_python()}"],
        cwd=clone,
        env={**inherited, "PIP_NO_CACHE_DIR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    seconds = time.perf_counter() - began
    if ran.returncode and any(said in ran.stdout + ran.stderr for said in _NO_INDEX):
        return 0.0, "no package index can be reached"
    assert ran.returncode == 0, f"{' '.join(COMMAND)} ended with {ran.returncode}:\n{(ran.stdout + ran.stderr)[-2000:]}"
    assert FIRST_BADGE in ran.stdout, ran.stdout[-2000:]
    return seconds, ""


def _python() -> str:
    """The interpreter that this environment was made with."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))
