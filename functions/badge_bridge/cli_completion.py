"""What a shell offers for a word that is half typed: names of the rules file, and keys of events that came lately.

The shell asks this program at each press of the tab key, in the middle of a line: where nothing can be read, nothing is
offered and nothing is said. Nothing is asked over the network.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, get_args

import typer

if TYPE_CHECKING:
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import StoredEvent

__all__ = [
    "as_bash_splits",
    "from_the_first_tab_on",
    "keys",
    "portals",
    "results",
    "rules",
    "sources",
    "sources_and_keys",
    "states",
    "types",
]

RECENT = 100
"""Events whose keys are offered."""

_BASH = "complete_bash"
_SHELL = "_BADGE_BRIDGE_COMPLETE"
"""The variable by which the shell asks, as typer names it."""
_STEM = "_BADGE_BRIDGE_STEM"
"""What bash takes for words of their own, and belongs before the one that is being typed."""

_AT_ONCE = """
if [ "$funcstack[1]" = "_%(prog_name)s" ]; then
  %(complete_func)s "$@"
fi
"""

Offer = Callable[[typer.Context, str], list[tuple[str, str]]]
"""Words with what is said about each, for those shells that show it."""


def as_bash_splits(environ: MutableMapping[str, str]) -> None:
    """Make one word of what bash has split at a colon, `reception` `:` `4f`; bash replaces the last part alone."""
    if environ.get(_SHELL) != _BASH:
        return
    words, at = environ.get("COMP_WORDS", "").split("\n"), int(environ.get("COMP_CWORD") or 0)
    words += [""] * (at + 1 - len(words))
    if words[at] == ":" and at > 1:
        words[at : at + 1] = [":", ""]
        at += 1
    if at > 2 and words[at - 1] == ":":
        environ[_STEM] = f"{words[at - 2]}:"
        words[at - 2 : at] = []
        environ["COMP_WORDS"], environ["COMP_CWORD"] = "\n".join(words), str(at - 2)


def from_the_first_tab_on() -> None:
    """Let what is installed for zsh complete at once. It reads a command's file when the tab key is first pressed for
    it, and what typer writes there makes a function known and calls it the next time only.
    """
    from typer import _completion_shared

    scripts: dict[str, str] = getattr(_completion_shared, "_completion_scripts", {})
    if "zsh" in scripts and _AT_ONCE not in scripts["zsh"]:
        scripts["zsh"] += _AT_ONCE


def _offering(look: Callable[[typer.Context], Iterable[tuple[str, str]]]) -> Offer:
    def offer(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        logging.disable()
        try:
            found = dict(look(context))
        except Exception:  # noqa: BLE001 - whatever is wrong is told by the command itself, once it is run
            return []
        stem = os.environ.get(_STEM, "")
        words = {word.removeprefix(stem): told for word, told in found.items() if word.startswith(stem)}
        if os.environ.get(_SHELL) == _BASH:
            # Bash takes words as they are to be written, and typer compares them with what was written, unquoted.
            words = {word.replace(" ", "\\ "): told for word, told in words.items()}
        return [(word, told) for word, told in words.items() if word.startswith(incomplete)]

    return offer


def _rules(context: typer.Context) -> RulesFile:
    from badge_bridge.cli_options import run
    from badge_bridge.configuration import without_secrets

    settings = _settings(context)
    if settings.rules.startswith("gs://"):
        raise FileNotFoundError(settings.rules)
    return run(without_secrets(settings, os.environ))


def _settings(context: typer.Context) -> Settings:
    from badge_bridge.cli_options import read_settings

    return read_settings(context.params.get("rules"), context.params.get("state"))


def _recent(context: typer.Context) -> Iterable[StoredEvent]:
    from badge_bridge.cli_options import opened_to_read, run

    settings = _settings(context)
    if not settings.state.startswith("sqlite:"):
        return ()

    async def look() -> Iterable[StoredEvent]:
        async with opened_to_read(settings) as store:
            return (await store.list(limit=RECENT)).events

    return run(look())


def _sources(context: typer.Context) -> Iterable[tuple[str, str]]:
    return [(name, getattr(source, "provider", "")) for name, source in _rules(context).sources.items()]


def _keys(context: typer.Context) -> Iterable[tuple[str, str]]:
    from badge_bridge.terminal import clock

    # Nothing that a sender has written: zsh evaluates what it is told.
    return [(one.key, f"{one.state}, {clock(one.received_at)}") for one in _recent(context)]


def _sources_and_keys(context: typer.Context) -> Iterable[tuple[str, str]]:
    with contextlib.suppress(Exception):  # keys are offered all the same
        yield from _sources(context)
    yield from _keys(context)


def _types(context: typer.Context) -> Iterable[tuple[str, str]]:
    from badge_bridge.events import CALL_TYPES

    try:
        written = [kind for rule in _rules(context).rules for kind in rule.on if "*" not in kind]
    except Exception:  # noqa: BLE001 - those of calls are known without any rules
        written = []
    return [(kind, "") for kind in (*CALL_TYPES, *written)]


def _named(literal: Any) -> Offer:
    return _offering(lambda _: [(name, "") for name in get_args(literal)])


def states(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from badge_bridge.store.protocol import State

    return _named(State)(context, incomplete)


def results(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from badge_bridge.outcomes import Result

    return _named(Result)(context, incomplete)


keys = _offering(_keys)
portals = _offering(lambda context: [(name, portal.url) for name, portal in _rules(context).portals.items()])
rules = _offering(lambda context: [(rule.name, ", ".join(rule.on)) for rule in _rules(context).rules])
sources = _offering(_sources)
sources_and_keys = _offering(_sources_and_keys)
types = _offering(_types)
