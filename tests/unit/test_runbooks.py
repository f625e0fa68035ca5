"""The runbooks of the README lead to their end with commands that exist."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from badge_bridge import cli
from support.runbooks import RUNBOOKS, SECTION

TYPED = re.findall(r"(?:^\$ |`)badge-bridge ([^`\n]+)", SECTION, re.MULTILINE)


def test_each_runbook_has_its_four_parts_in_order() -> None:
    """What one sees, how to find out, what to do, and how to know that it is over."""
    assert len(RUNBOOKS) == 10
    for title, text in RUNBOOKS.items():
        parts = re.findall(r"^\*\*(.*?)\*\*", text, re.MULTILINE)
        assert parts == ["You see", "Find out", "Do", "It is over"], title
        assert "```" in text, title


@pytest.mark.parametrize("typed", sorted(set(TYPED)))
def test_command_of_a_runbook_is_understood(typed: str) -> None:
    """The command line takes it with its options and arguments; nothing is run."""
    command = typer.main.get_command(cli.app)
    words = shlex.split(typed)
    context = command.make_context("badge-bridge", list(words), resilient_parsing=True)
    while hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands
        command = command.commands[name]
        context = type(context)(command, info_name=name, parent=context)
    command.parse_args(context, words)
