"""The command line within the process of the test."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from badge_bridge import cli
from badge_bridge.observability import logs
from badge_bridge.settings import SETTINGS

__all__ = ["Run", "commands"]

Run = Callable[..., tuple[int, str, str]]
"""Runs a command: its exit code, standard output and standard error. `typed` is what somebody at a terminal types."""


@contextmanager
def commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, environ: Mapping[str, str]
) -> Iterator[Run]:
    """Commands in this folder, and with no other settings than these."""
    monkeypatch.chdir(folder)
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    for name, value in {"COLUMNS": "200", **environ}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, typed: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["badge-bridge", *arguments])
        if typed is not None:
            monkeypatch.setattr(sys, "stdin", _Terminal(typed))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, out, err

    yield run
    logs.restore()  # a command changes the log of its process


class _Terminal(io.StringIO):
    """Standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True
