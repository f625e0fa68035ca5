"""Environments made from a lock with hashes: of another Python, or with no more than a function has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OF_FUNCTIONS = ROOT / ".venv-functions"
"""With what the functions need and nothing else: where rich is installed, httpx imports more."""

INSTALL = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")


class NoRegistry(Exception):
    """There is no package registry that pip can ask here."""


def made(folder: Path, lock: Path, *, python: str = sys.executable) -> Path:
    """The Python of a new environment, with everything that the lock names.

    Raises:
        NoRegistry: pip knows of no version at all of what it should install.
        subprocess.CalledProcessError: something else went wrong; what pip said was printed.
    """
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    inside = folder / "bin" / "python"
    command = [str(inside), *INSTALL, "--require-hashes", "--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "(from versions: none)" in done.stderr:
        raise NoRegistry("no package registry can be reached")
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    done.check_returncode()
    return inside


def of_functions() -> Path:
    """The Python of the environment of the functions, which is made when it is asked for first or the lock is newer.

    Raises:
        NoRegistry: as `made`.
    """
    lock = ROOT / "functions" / "requirements.txt"
    stamp = OF_FUNCTIONS / ".made"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        made(OF_FUNCTIONS, lock)
        stamp.touch()
    return OF_FUNCTIONS / "bin" / "python"
