"""What all tests share: optional programs, and nothing that reaches beyond loopback."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture
def optional_program() -> object:
    """Gives a function that returns a program's path, or skips the test; where REQUIRE_OPTIONAL is set, it fails."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            if os.environ.get("REQUIRE_OPTIONAL"):
                pytest.fail(f"{name} is required here and not installed")
            pytest.skip(f"{name} is not installed")
        return path

    return find
