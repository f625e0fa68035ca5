"""Run the fast tests on further Python versions, each in an environment of its own; say which ones are not there.

Usage: python tests/pythons.py 3.12 3.13 [--options of pytest]
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import environments
from support.environments import ROOT

LOCK = ROOT / "tests" / "requirements.txt"
PROJECT = ROOT / "pyproject.toml"


def interpreter(version: str) -> str | None:
    """A Python of this version that really runs: on the PATH, or installed by pyenv but not selected."""
    found = shutil.which(f"python{version}")
    if found and _runs([found], os.environ.copy(), version):
        return found
    pyenv = shutil.which("pyenv")
    if pyenv is None:
        return None
    listed = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True, check=False)
    for name in listed.stdout.split():
        prefix = subprocess.run([pyenv, "prefix", name], capture_output=True, text=True, check=False).stdout.strip()
        if name.startswith(f"{version}.") and _runs([f"{prefix}/bin/python"], os.environ.copy(), version):
            return f"{prefix}/bin/python"
    return None


def _runs(command: list[str], environ: dict[str, str], version: str) -> bool:
    test = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    try:
        return subprocess.run([*command, "-c", test], env=environ, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def prepare(python: str, version: str) -> Path:
    """The environment's own Python, with everything that the lock names."""
    folder = ROOT / f".venv-{version}"
    stamp = folder / ".dev"
    if stamp.exists() and stamp.stat().st_mtime >= max(path.stat().st_mtime for path in (LOCK, PROJECT)):
        return folder / "bin" / "python"
    inside = environments.made(folder, LOCK, python=python)
    command = [str(inside), *environments.INSTALL, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    subprocess.run(command, check=True)
    stamp.touch()
    return inside


def main(arguments: list[str]) -> int:
    options = list(itertools.dropwhile(lambda one: not one.startswith("-"), arguments))
    for version in arguments[: len(arguments) - len(options)]:
        python = interpreter(version)
        if python is None:
            print(f"Python {version} is not on this machine: its fast tests are left out")
            continue
        print(f"== the fast tests on Python {version}", flush=True)
        command = [str(prepare(python, version)), "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
        if subprocess.run([*command, *options], cwd=ROOT, check=False).returncode != 0:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
