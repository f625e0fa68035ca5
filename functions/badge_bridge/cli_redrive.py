"""`badge-bridge events redrive`: trying ended events again, by their keys or by what they have in common."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from badge_bridge import cli_completion
from badge_bridge.cli_filters import (
    InOption,
    OutcomeOption,
    PhoneOption,
    RuleOption,
    SinceOption,
    SourceOption,
    TypeOption,
    UntilOption,
    event_of,
    pages,
    readable_rules,
    tell_doubts,
    wanted,
)
from badge_bridge.cli_options import RulesOption, StateOption, opened_store, read_settings, run
from badge_bridge.errors import SettingsError
from badge_bridge.moments import iso
from badge_bridge.plural import counted

if TYPE_CHECKING:
    from badge_bridge.redriving import Refusal
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import State
    from badge_bridge.store.wanted import Wanted

__all__ = ["redrive"]

_ENDED: tuple[State, ...] = ("dead", "ignored", "done")
"""What is tried again where no state is named. Not the legs of calls: it is the event of the whole call that counts."""

_SHOWN = 10
"""Refusals that are listed; the others are counted."""


class Which(StrEnum):
    """Which rules file judges an event that is tried again."""

    THEN = "then"
    NOW = "now"


def redrive(
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            help="Keys of events that are done, ignored, joined or dead, or what no other key begins with.",
            autocompletion=cli_completion.keys,
            show_default=False,
        ),
    ] = None,
    phone: PhoneOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    source: SourceOption = None,
    type_: TypeOption = None,
    in_state: InOption = None,
    rule: RuleOption = None,
    outcome: OutcomeOption = None,
    which: Annotated[
        Which,
        typer.Option("--with", help="Judge them by the rules file of now, or by that of their last ended attempt."),
    ] = Which.NOW,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before, where no keys are given.")] = False,
    rules: RulesOption = None,
    state: StateOption = None,
) -> None:
    """Try ended events again, by key or all that the filters mean: at once where serve runs and nothing is paused."""
    settings = read_settings(rules, state)
    filters = {
        "phone": phone,
        "since": since,
        "until": until,
        "source": source,
        "type_": type_,
        "state": in_state,
        "rule": rule,
        "outcome": outcome,
    }
    filtered = any(value is not None for value in filters.values())
    if bool(keys) == filtered:
        raise SettingsError("say which events: either keys of some, or filters, such as --in dead --since 2h")
    if keys:
        portals = _portals(settings)
        said, waits = run(_named(settings, keys, portals, then=which == Which.THEN))
        for key, refusal in said.items():
            print(f"{key}: {refusal.text if refusal else f'will be tried again, with the rules of {which}'}")
        if not all(said.values()):
            _tell_waits(waits)
        if any(said.values()):
            sys.exit(1)
        return
    looked_for = wanted(settings, **filters)
    queries = _ended_ones(looked_for)
    if not yes and not sys.stdin.isatty():
        raise SettingsError("redrive asks before it tries many events again; without a terminal, add --yes")
    found, waits = run(_found(settings, queries, _portals(settings)))
    if not found:
        print("No ended events are meant by that; badge-bridge events list with the same filters shows what there is.")
        tell_doubts(settings, looked_for)
        return
    # Outside of the event loop, which takes Ctrl-C for itself: an answer that is typed after it would count.
    if not yes:
        _tell_waits(waits, file=sys.stderr)
        _ask(found, which)
    done: list[int] = []
    work = _all(settings, [key for _, key in found], done.append, then=which == Which.THEN)
    said = run(work, interrupted=lambda: _interrupted([*found], done[-1] if done else 0))
    _tell(said, which, waits if yes else "")


def _portals(settings: Settings) -> Collection[str]:
    """Those of the rules file, whose pauses are told; none where it cannot be read."""
    rules = readable_rules(settings)
    return rules.portals if rules is not None else ()


def _tell_waits(waits: str, *, file: TextIO | None = None) -> None:
    if waits:
        print(f"{waits}.", file=file)


def _ended_ones(looked_for: Wanted) -> Sequence[Wanted]:
    if looked_for.state in ("waiting", "working"):
        raise SettingsError(f"an event that is {looked_for.state} has not ended, so that it cannot be tried again")
    return [looked_for] if looked_for.state else [replace(looked_for, state=state) for state in _ENDED]


async def _named(
    settings: Settings, keys: Sequence[str], portals: Collection[str], *, then: bool
) -> tuple[Mapping[str, Refusal | None], str]:
    """Why each was left alone, None for those that are tried again; and what of the portals is paused, in words."""
    from badge_bridge.redriving import redrive_each
    from badge_bridge.resuming import waits_for

    async with opened_store(settings) as store:
        found = {typed: await event_of(store, typed) for typed in keys}
        whole = [typed if event is None else event.key for typed, event in found.items()]
        said = await redrive_each(store, whole, clock=time.time, then=then, by="command")
        return said, await waits_for(store, portals, now=time.time())


async def _found(
    settings: Settings, queries: Sequence[Wanted], portals: Collection[str]
) -> tuple[Mapping[tuple[float, str], State], str]:
    """When each of the events that are meant was received, and its key, with its state, those that came first first;
    and what of the portals is paused, in words.
    """
    from badge_bridge.resuming import waits_for
    from badge_bridge.terminal_progress import progress

    found: dict[tuple[float, str], State] = {}
    async with opened_store(settings) as store:
        with progress("looking for them") as bar:
            for query in queries:
                async for page in pages(store, query):
                    found.update({(event.received_at, event.key): event.state for event in page.events})
                    bar.at(len(found))
        waits = await waits_for(store, portals, now=time.time())
    return dict(sorted(found.items())), waits


def _interrupted(found: Sequence[tuple[float, str]], done: int) -> str:
    """Those that were tried again end once more, and the same filters would find them as well."""
    if done >= len(found):
        return f"interrupted; all {len(found):,} are tried again"
    received_at, _ = found[done]
    return (
        f"interrupted; {done:,} of {len(found):,} are tried again. For the rest, do the same with "
        f"--since {iso(received_at)}"
    )


def _ask(found: Mapping[tuple[float, str], State], which: Which) -> None:
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(Counter(found.values()).items()))
    question = f"Try {counted(len(found), 'event')} again ({states}), with the rules of {which}?"
    print("A badge whose rule does not match any more is taken off its card.", file=sys.stderr)
    try:
        if typer.confirm(question, err=True):
            return
    except typer.Abort:
        print("\nNothing was changed.", file=sys.stderr)
        sys.exit(130)
    print("Nothing was changed.", file=sys.stderr)
    sys.exit(1)


async def _all(
    settings: Settings, keys: Sequence[str], done: Callable[[int], None], *, then: bool
) -> Mapping[str, Refusal | None]:
    """As `_named`, of whole keys; `done` hears how many are."""
    from badge_bridge.redriving import redrive_each
    from badge_bridge.terminal_progress import progress

    async with opened_store(settings) as store:
        with progress("trying again", len(keys)) as bar:

            def told(count: int) -> None:
                done(count)
                bar.at(count, total=len(keys))

            return await redrive_each(store, keys, clock=time.time, then=then, by="command", told=told)


def _tell(said: Mapping[str, Refusal | None], which: Which, waits: str) -> None:
    refused = {key: refusal.text for key, refusal in said.items() if refusal}
    for key, why in [*refused.items()][:_SHOWN]:
        print(f"{key}: {why}")
    if len(refused) > _SHOWN:
        print(f"and {len(refused) - _SHOWN:,} more that were left as they are")
    count = len(said) - len(refused)
    print(f"{counted(count, 'event')} will be tried again, with the rules of {which}")
    if count:
        _tell_waits(waits)
    if refused:
        sys.exit(1)
