"""`badge-bridge events`: what was received and what came of it, and trying it again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from badge_bridge.cli_filters import (
    InOption,
    KeyArgument,
    KeysArgument,
    LegsOption,
    OutcomeOption,
    PhoneOption,
    RuleOption,
    SinceOption,
    SourceOption,
    TypeOption,
    UntilOption,
    event_of,
    full_page,
    tell_doubts,
    wanted,
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
    say,
)
from badge_bridge.cli_redrive import redrive
from badge_bridge.cli_tail import tail
from badge_bridge.errors import GoogleError, RulesError, SettingsError

if TYPE_CHECKING:
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Listing, Store, StoredEvent
    from badge_bridge.store.wanted import Place, Wanted
    from badge_bridge.whole_life import WholeLife

__all__ = ["commands"]

commands = typer.Typer(cls=Commands, no_args_is_help=True, help="Look at what was received, and try it again.")


@commands.command("list")
def list_(
    keys: KeysArgument = None,
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
    """List events, newest first: all, those that the filters mean, or those whose keys begin with what is given."""
    from badge_bridge.life import read_place, summary, write_place
    from badge_bridge.terminal_rows import print_list
    from badge_bridge.typed_times import in_words

    settings, place = read_settings(rules, state), read_place(before)
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
    if keys and (filtered or before is not None):
        raise SettingsError("say which events: either keys of some, or filters and --before")
    looked_for = replace(wanted(settings, **filters), legs=legs)
    page, is_empty, told = run(_listed(settings, keys, looked_for, limit, place, tell=not as_json))
    if as_json:
        print(json.dumps([summary(event) for event in page.events], indent=2))
    else:
        if looked_for.since is not None or looked_for.until is not None:
            print(", ".join(_stretch(looked_for.since, looked_for.until, in_words)))
        if page.events:
            print_list(page.events, told)
        else:
            print(_nothing(is_empty=is_empty, filtered=filtered or bool(keys or before)))
    if not page.events and not is_empty:
        for key in keys or ():
            say(f"no event's key begins with {key}")
        tell_doubts(settings, looked_for, before=place)
    if page.more is not None:
        # Not among what scripts read.
        looked = "" if page.reached is None else f"looked back to {in_words(page.reached)}; "
        print(f"{looked}older ones: the same with --before {write_place(page.more)}", file=sys.stderr)


async def _listed(
    settings: Settings,
    keys: Sequence[str] | None,
    looked_for: Wanted,
    limit: int,
    before: Place | None,
    *,
    tell: bool,
) -> tuple[Listing, bool, Mapping[str, str]]:
    """The page, whether the store is empty, and by key what came of those that are done, where that is to be told."""
    async with opened_store(settings, to_read=True) as store:
        page = await _page(store, keys, looked_for, limit, before)
        is_empty = not page.events and not (await store.list(limit=1)).events
        return page, is_empty, await _what_came(store, page.events) if tell else {}


async def _what_came(store: Store, events: Sequence[StoredEvent]) -> Mapping[str, str]:
    """As on the console's list, with the codes of badges; of each event that is done, whose reason is empty."""
    from badge_bridge.whole_life import came_of_one

    done, now = [event for event in events if event.state == "done"], time.time()
    told = await asyncio.gather(*(came_of_one(store, event, {}, now=now) for event in done))
    return {event.key: said for event, said in zip(done, told, strict=True)}


async def _page(
    store: Store, keys: Sequence[str] | None, looked_for: Wanted, limit: int, before: Place | None
) -> Listing:
    from badge_bridge.filters import by_key
    from badge_bridge.store.protocol import Listing

    if keys:
        found = [await by_key(store, key, limit=limit) for key in keys]
        if any(there_are_more for _, there_are_more in found):
            say("not all that begin so are listed; type more of the key that is meant")
        return Listing(tuple(event for events, _ in found for event in events), None)
    return await full_page(store, looked_for, limit=limit, before=before)


def _nothing(*, is_empty: bool, filtered: bool) -> str:
    if is_empty:
        return "No events: nothing was received yet."
    if filtered:
        return "No events. (badge-bridge events list without filters shows the latest)"
    return "No events but the legs of calls. (badge-bridge events list --legs shows them)"


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
    from badge_bridge.terminal_event import print_event

    settings, now = read_settings(rules, state), time.time()
    whole = run(_whole_life(settings, key, every_rule=every_rule or as_json))
    if as_json:
        print(json.dumps(whole.as_json(now=now, may_change=True), indent=2))
    else:
        print_event(whole, now=now, command=_command(whole.stored, whole.next_step(now)), every_rule=every_rule)


def _command(stored: StoredEvent, after: str) -> str:
    """What to type to do what is told as `after`; empty where nothing helps, or where it was named already."""
    from badge_bridge.whole_life import judged_as

    if judged := judged_as(stored):
        return f"badge-bridge events show {judged}"
    return f"badge-bridge events redrive {stored.key}" if "redrive" in after else ""


commands.command("tail")(tail)
commands.command("redrive")(redrive)


async def _whole_life(settings: Settings, typed: str, *, every_rule: bool) -> WholeLife:
    from badge_bridge.terminal_explain import WEIGHED
    from badge_bridge.whole_life import whole_life

    rules = await _rules(settings)
    async with opened_store(settings, to_read=True) as store:
        stored = await event_of(store, typed)
        if stored is None:
            fail(f"there is no event {typed}; badge-bridge events list prints the keys", 1)
        return await whole_life(store, stored, rules, weighed=None if every_rule else WEIGHED)


async def _rules(settings: Settings) -> RulesFile | str:
    """The rules of now, or why they are not known."""
    from badge_bridge.configuration import without_secrets

    try:
        rules = await without_secrets(settings, os.environ)
    except (RulesError, GoogleError) as error:
        why = str(error).partition("\n")[0]
        return f"not told, as the rules file cannot be read; --rules or RULES names it: {why}"
    quiet(rules)
    return rules
