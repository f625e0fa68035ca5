"""Trying a command alone that was refused in a batch: was it the batch that the portal did not like, or the call?

Values are texts in a batch, and what a portal says to a method that it does not take there is not certain. A refusal
carries nothing out, so the command may be sent again by itself. One at a time is, for each method; others of the method
that are refused meanwhile wait for how it ends. A code that is said of a single call as well is one of calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from badge_bridge.errors import CallRefused, NotFound, PortalError
from badge_bridge.portal.commands import Command

__all__ = ["Refused", "Trials"]

Refused = tuple[Command, PortalError]
"""A command, and what was said of it in its batch."""


@dataclass(slots=True)
class _Trial:
    command: Command
    code: str
    held: list[Refused] = field(default_factory=list)


class Trials:
    """The trials at one portal. Whoever holds commands for a trial gets them back from `end`, once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        """Methods that have succeeded in a batch."""
        self._of_calls: set[tuple[str, str]] = set()
        """Codes that were said of a single call of a method."""
        self._under_way: dict[str, _Trial] = {}

    def took(self, method: str) -> None:
        """A command of this method has succeeded in a batch."""
        self._taken.add(method)

    def refused(self, command: Command, refusal: CallRefused) -> Literal["final", "alone", "held"]:
        """What becomes of a command that was refused in a batch: that is final, it is tried alone, or it waits."""
        code = refusal.code.casefold()
        if command.method in self._taken or (command.method, code) in self._of_calls:
            return "final"
        trial = self._under_way.get(command.method)
        if trial is not None:
            trial.held.append((command, refusal))
            return "held"
        command.alone = True
        self._under_way[command.method] = _Trial(command, code)
        return "alone"

    def end(self, command: Command, error: PortalError | None = None) -> Sequence[Refused]:
        """The trial of `command` has ended, if it was under way: with this error, or None where it succeeded or got
        lost. Those that were held for it are given back.
        """
        trial = self._under_way.get(command.method)
        if trial is None or trial.command is not command:
            return ()
        del self._under_way[command.method]
        if isinstance(error, CallRefused | NotFound):
            self._of_calls |= {(command.method, trial.code), (command.method, error.code.casefold())}
        return trial.held

    def drain(self) -> Sequence[Command]:
        """Forget all trials; those that were held for one."""
        held = [command for trial in self._under_way.values() for command, _ in trial.held]
        self._under_way.clear()
        return held
