"""`badge-bridge events`: what was received and what came of it, and trying it again."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from badge_bridge import cli_completion
from badge_bridge.cli_group import Commands
from badge_bridge.cli_options import (
    JsonOption,
    RulesOption,
    StateOption,
    fail,
    opened_store,
    quiet,
    read_settings,
    run,
)
from badge_bridge.errors import GoogleError, RulesError

if TYPE_CHECKING:
    from badge_bridge.explain import EventExplained
    from badge_bridge.on_cards import OnCard
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Pause, Store, StoredEvent

__all__ = ["commands"]

T = TypeVar("T")

commands = typer.Typer(cls=Commands, no_args_is_help=True, help="Look at what was received, and try it again.")

_SHOWN = 5
"""Keys that are listed where what was typed is the beginning of several."""


class Which(StrEnum):
    """Which rules file judges an event that is tried again."""

    THEN = "then"
    NOW = "now"


@commands.command("list")
def list_(
    state: StateOption = None,
    in_state: Annotated[
        str | None,
        typer.Option(
            "--in",
            help="Only events that are waiting, working, done, ignored, joined or dead.",
            autocompletion=cli_completion.states,
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Only events of this source.", autocompletion=cli_completion.sources)
    ] = None,
    type_: Annotated[
        str | None,
        typer.Option(
            "--type", help="Only events of this type, such as call.missed.", autocompletion=cli_completion.types
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List events, newest first."""
    from badge_bridge.life import read_state, summary
    from badge_bridge.store.wanted import Wanted
    from badge_bridge.terminal import print_table

    wanted = Wanted(state=read_state(in_state), source=source, type=type_)
    found = run(
        _with_store(
            read_settings(None, state),
            lambda store: store.list(wanted, limit=limit),
            to_read=True,
        )
    )
    if as_json:
        print(json.dumps([summary(event) for event in found.events], indent=2))
    else:
        print_table(found.events)


KeyArgument = Annotated[
    str,
    typer.Argument(
        help="The event's key, as the list prints it, or what no other key begins with.",
        autocompletion=cli_completion.keys,
    ),
]


@commands.command()
def show(
    key: KeyArgument,
    rules: RulesOption = None,
    state: StateOption = None,
    every_rule: Annotated[
        bool, typer.Option("--every-rule", help="List all rules that do nothing, however many.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the life of one event: what was received, what each rule says, what was asked of the portal, and the badge.

    Where the rules file cannot be read, the rest is shown all the same.
    """
    from badge_bridge.life import life
    from badge_bridge.next_steps import next_step
    from badge_bridge.terminal import clock, zone_name
    from badge_bridge.terminal_event import print_event

    settings = read_settings(rules, state)
    seen = run(_with_store(settings, lambda store: _look(store, key), to_read=True))
    judged: tuple[RulesFile, EventExplained] | str
    if seen.stored.event.leg is not None:
        judged = "no rule meets a leg of a call: they meet what the call was judged as"
    else:
        judged = run(_judged(settings, seen.stored, every_rule=every_rule or as_json))
    if as_json:
        told = {
            **life(seen.stored, seen.cards),
            "next": next_step(seen.stored, seen.pause, now=time.time()),
            "rules_now": None if isinstance(judged, str) else _as_json(*judged),
            "rules_now_unknown": judged if isinstance(judged, str) else "",
        }
        print(json.dumps(told, indent=2))
    else:
        after = next_step(seen.stored, seen.pause, now=time.time(), clock=lambda unix: f"{clock(unix)} {zone_name()}")
        print_event(seen.stored, seen.cards, judged, next_step=after, every_rule=every_rule)


@commands.command()
def redrive(
    keys: Annotated[
        list[str],
        typer.Argument(
            help="Keys of events that are done, ignored, joined or dead, or what no other key begins with.",
            autocompletion=cli_completion.keys,
        ),
    ],
    which: Annotated[
        Which,
        typer.Option("--with", help="Judge them by the rules file of now, or by that of their last ended attempt."),
    ] = Which.NOW,
    state: StateOption = None,
) -> None:
    """Try ended events again, with the rules of now or of then; a running serve takes them up within a second."""
    from badge_bridge.redriving import redrive as try_again

    async def again(store: Store) -> dict[str, str]:
        whole = [await _whole(store, typed) for typed in keys]
        return {key: await try_again(store, key, now=time.time(), then=which == Which.THEN) for key in whole}

    said = run(_with_store(read_settings(None, state), again))
    for key, refusal in said.items():
        print(f"{key}: {refusal or f'will be tried again, with the rules of {which}'}")
    if any(said.values()):
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the store has of one event."""

    stored: StoredEvent
    pause: Pause | None
    """That of the lane it waits for."""
    cards: Sequence[OnCard]


async def _look(store: Store, typed: str) -> _Seen:
    from badge_bridge.on_cards import on_cards

    key = await _whole(store, typed)
    stored = await store.get(key)
    if stored is None:
        fail(f"there is no event {key}; badge-bridge events list prints the keys", 1)
    pauses = await store.paused([stored.lane]) if stored.lane else []
    return _Seen(stored, next(iter(pauses), None), await on_cards(store, key))


async def _whole(store: Store, typed: str) -> str:
    """The one key that begins with what was typed; that itself where there is none."""
    if await store.get(typed) is not None:
        return typed
    found = await store.keys(typed, limit=_SHOWN + 1)
    if len(found) > 1:
        listed = ", ".join(found[:_SHOWN]) + (" and more" if len(found) > _SHOWN else "")
        fail(f"{typed} is the beginning of several keys: {listed}; type more of the one that is meant", 1)
    return found[0] if found else typed


async def _judged(
    settings: Settings, stored: StoredEvent, *, every_rule: bool
) -> tuple[RulesFile, EventExplained] | str:
    """The rules of now and what they say to an event, or why that cannot be told."""
    from badge_bridge.configuration import without_secrets
    from badge_bridge.customers import card_of
    from badge_bridge.explain import EventExplained
    from badge_bridge.rulesfile.explaining import explain_rules
    from badge_bridge.terminal_explain import WEIGHED

    try:
        rules = await without_secrets(settings, os.environ)
    except (RulesError, GoogleError) as error:
        why = str(error).partition("\n")[0]
        return f"not told, as the rules file cannot be read; --rules or RULES names it: {why}"
    quiet(rules)
    weighed = None if every_rule else WEIGHED
    said = explain_rules(rules, stored.event, card_of=card_of, weighed=weighed)
    return rules, EventExplained(stored.key, stored.event, said)


def _as_json(rules: RulesFile, explained: EventExplained) -> dict[str, Any]:
    from badge_bridge.explain_json import rule_as_json

    return {"file": rules.filename, "hash": rules.hash, "rules": [rule_as_json(one) for one in explained.rules]}


async def _with_store(settings: Settings, work: Callable[[Store], Awaitable[T]], *, to_read: bool = False) -> T:
    async with opened_store(settings, to_read=to_read) as store:
        return await work(store)
