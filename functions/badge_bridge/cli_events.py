"""`badge-bridge events`: what was received and what came of it, and trying it again."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from badge_bridge.cli_filters import (
    InOption,
    KeyArgument,
    LegsOption,
    OutcomeOption,
    PhoneOption,
    RuleOption,
    SinceOption,
    SourceOption,
    TypeOption,
    UntilOption,
    full_page,
    wanted,
    whole_key,
)
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
from badge_bridge.cli_redrive import redrive
from badge_bridge.cli_tail import tail
from badge_bridge.errors import GoogleError, RulesError

if TYPE_CHECKING:
    from badge_bridge.explain import EventExplained
    from badge_bridge.on_cards import OnCard
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Attachment, Pause, Store, StoredEvent

__all__ = ["commands"]

T = TypeVar("T")

commands = typer.Typer(cls=Commands, no_args_is_help=True, help="Look at what was received, and try it again.")


@commands.command("list")
def list_(
    phone: PhoneOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    source: SourceOption = None,
    type_: TypeOption = None,
    in_state: InOption = None,
    rule: RuleOption = None,
    outcome: OutcomeOption = None,
    legs: LegsOption = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    before: Annotated[
        str | None, typer.Option(help="Where to go on: what the page before has told at its end.", show_default=False)
    ] = None,
    rules: RulesOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List events, newest first."""
    from badge_bridge.life import read_place, summary, write_place
    from badge_bridge.terminal import print_table
    from badge_bridge.typed_times import in_words

    settings, place = read_settings(rules, state), read_place(before)
    looked_for = wanted(
        settings,
        phone=phone,
        since=since,
        until=until,
        source=source,
        type_=type_,
        state=in_state,
        rule=rule,
        outcome=outcome,
    )
    looked_for = replace(looked_for, legs=legs)
    page = run(
        _with_store(settings, lambda store: full_page(store, looked_for, limit=limit, before=place), to_read=True)
    )
    if as_json:
        print(json.dumps([summary(event) for event in page.events], indent=2))
    else:
        if looked_for.since is not None or looked_for.until is not None:
            print(", ".join(_stretch(looked_for.since, looked_for.until, in_words)))
        print_table(page.events)
    if page.more is not None:
        # Not among what scripts read.
        looked = "" if page.reached is None else f"looked back to {in_words(page.reached)}; "
        print(f"{looked}older ones: the same with --before {write_place(page.more)}", file=sys.stderr)


def _stretch(since: float | None, until: float | None, said: Callable[[float], str]) -> Iterator[str]:
    if since is not None:
        yield f"received since {said(since)}"
    if until is not None:
        yield f"{'' if since is not None else 'received '}before {said(until)}"


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
    from badge_bridge.previews import preview
    from badge_bridge.telling import came_of, next_step
    from badge_bridge.terminal_event import print_event

    settings, now = read_settings(rules, state), time.time()
    seen = run(_with_store(settings, lambda store: _look(store, key), to_read=True))
    judged: tuple[RulesFile, EventExplained] | str
    if seen.stored.event.leg is not None:
        judged = "no rule meets a leg of a call: they meet what the call was judged as"
    else:
        judged = run(_judged(settings, seen.stored, every_rule=every_rule or as_json))
    badges = {} if isinstance(judged, str) else {badge.code: badge for badge in judged[0].badges.values()}
    came, after = came_of(seen.stored, seen.rows, badges, now=now), next_step(seen.stored, seen.pause, now=now)
    looks = {card.badge: preview(badges[card.badge]) for card in seen.cards if card.badge in badges}
    if as_json:
        told = {
            **life(seen.stored, seen.cards),
            "came_of": came,
            "next": after,
            "badges": looks,
            "rules_now": None if isinstance(judged, str) else _as_json(*judged),
            "rules_now_unknown": judged if isinstance(judged, str) else "",
        }
        print(json.dumps(told, indent=2))
    else:
        # What it waits for is told by what comes next, and by its attempts.
        came = "" if seen.stored.state == "waiting" else came
        said = [after.replace("`", ""), _command(seen.stored, after)]
        print_event(seen.stored, seen.cards, judged, came=came, after=said, looks=looks, every_rule=every_rule)


def _command(stored: StoredEvent, after: str) -> str:
    """What to type to do what is told as `after`; empty where nothing helps, or where it was named already."""
    from badge_bridge.events import event_key
    from badge_bridge.sources.legs import judged_identity

    if stored.event.leg is not None:
        judged = event_key(stored.event.source, judged_identity(stored.event.leg.call))
        return f"badge-bridge events show {judged}"
    return f"badge-bridge events redrive {stored.key}" if "redrive" in after else ""


commands.command("tail")(tail)
commands.command("redrive")(redrive)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the store has of one event."""

    stored: StoredEvent
    pause: Pause | None
    """That of the lane it waits for."""
    cards: Sequence[OnCard]
    rows: Sequence[Attachment]
    """The event's in the ledger."""


async def _look(store: Store, typed: str) -> _Seen:
    from badge_bridge.on_cards import on_cards

    key = await whole_key(store, typed)
    stored = await store.get(key)
    if stored is None:
        fail(f"there is no event {key}; badge-bridge events list prints the keys", 1)
    pauses = await store.paused([stored.lane]) if stored.lane else []
    return _Seen(stored, next(iter(pauses), None), await on_cards(store, key), await store.attachments(key))


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
