"""Terraform itself: how the files are written, and the tests of the module that needs no provider."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support.terraform import INFRA

pytestmark = pytest.mark.slow

FindProgram = Callable[[str], str]


@pytest.fixture
def terraform(optional_program: FindProgram, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs terraform in a copy of `infra/`, with nobody's configuration and without reporting to its makers."""
    program = optional_program("terraform")
    shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    environment = {**kept, "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}

    def run(*arguments: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = [program, f"-chdir={tmp_path / 'infra' / folder}", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    return run


def test_files_are_formatted(terraform: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """`terraform fmt` has nothing to change."""
    done = terraform("fmt", "-check", "-recursive", "-diff")

    assert (done.returncode, done.stdout) == (0, "")


def test_plan_passes_its_own_tests(terraform: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """The tests of the plan pass without any provider."""
    assert terraform("init", "-backend=false", folder="plan").returncode == 0
    done = terraform("test", "-no-color", folder="plan")

    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 failed." in done.stdout


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.tf", 'public = ["receive", "install"]', 'public = ["receive", "install", "console"]'),
        ("main.tf", "ack_deadline     = 180", "ack_deadline     = 90"),
        ("main.tf", "INVOKER_AUDIENCE = local.urls[name]", 'INVOKER_AUDIENCE = "https://example.com"'),
        ("outputs.tf", 'contains(local.reads_store, name) ? "roles', 'contains(local.reads_rules, name) ? "roles'),
        ("variables.tf", "(user|group|serviceAccount|domain):[^:]+", ".+"),
    ],
    ids=["public", "deadline", "audience", "roles", "console"],
)
def test_tests_of_the_plan_notice_a_mistake(
    terraform: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, file: str, old: str, new: str
) -> None:
    """A mistake in the plan fails its tests."""
    path = tmp_path / "infra" / "plan" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))

    assert terraform("init", "-backend=false", folder="plan").returncode == 0
    assert terraform("test", "-no-color", folder="plan").returncode != 0
