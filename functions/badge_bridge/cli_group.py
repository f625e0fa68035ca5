"""Groups of commands that say in plain words what was typed wrong, and which command or value was meant, by the same
measure as everything else.
"""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperGroup

from badge_bridge.closeness import closest

__all__ = ["Commands", "in_plain_words"]


class Commands(TyperGroup):
    """A group that suggests one command, or none where no name is near."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            close = closest(args[0], self.list_commands(ctx))
            meant = f" Did you mean '{close}'?" if close else ""
            ctx.fail(f"No such command '{args[0]}'.{meant}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = in_plain_words(error.message)
            raise


_NONE_OF_THESE = re.compile(r"(?:Value error, )?'(?P<given>.*)' is not one of (?P<known>'.*')\.?")
_WORDS = (
    (re.compile(r"Input should be a valid integer.*", re.DOTALL), "this must be a whole number"),
    (re.compile(r"Input should be a valid number.*", re.DOTALL), "this must be a number"),
    (re.compile(r"Input should be greater than or equal to (\S+)"), r"this must be \1 or more"),
    (re.compile(r"Input should be less than or equal to (\S+)"), r"this must be \1 or less"),
)


def in_plain_words(message: str) -> str:
    """What the libraries below say of a value, for somebody who does not know them; others as they are."""
    if found := _NONE_OF_THESE.fullmatch(message):
        known = re.findall(r"'([^']*)'", found["known"])
        close = closest(found["given"], known)
        return f"'{found['given']}' is none of {', '.join(known)}{f'; did you mean {close}?' if close else ''}"
    for pattern, words in _WORDS:
        if found := pattern.fullmatch(message):
            return found.expand(words)
    return message
