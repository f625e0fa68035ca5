"""What all tests share: optional programs, and nothing that reaches beyond loopback."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def _problem(name: str, path: str) -> str:
    """Why an installed program cannot be used on this machine; empty where it can."""
    if (
        name == "strace"
        and subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, check=False).returncode
    ):
        return "may not trace here (ptrace is not permitted)"
    return ""


@pytest.fixture
def optional_program() -> object:
    """Gives a function that returns a program's path, or skips the test; where REQUIRE_OPTIONAL is set, it fails."""

    def find(name: str) -> str:
        path = shutil.which(name)
        problem = "is not installed" if path is None else _problem(name, path)
        if problem:
            if os.environ.get("REQUIRE_OPTIONAL"):
                pytest.fail(f"{name} is required here and {problem}")
            pytest.skip(f"{name} {problem}")
        assert path is not None
        return path

    return find
