"""`badge-bridge events tail`: what becomes of events, as it happens."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from badge_bridge.cli_filters import (
    InOption,
    OutcomeOption,
    PhoneOption,
    RuleOption,
    SinceOption,
    SourceOption,
    TypeOption,
    tell_doubts,
    wanted,
)
from badge_bridge.cli_options import RulesOption, StateOption, opened_to_read, read_settings, run
from badge_bridge.errors import SettingsError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import StoredEvent
    from badge_bridge.store.wanted import Wanted

__all__ = ["tail"]

EVERY = 0.5
"""Seconds between two looks at a file."""
EVERY_BILLED = 5.0
"""As `EVERY`, where each look is billed."""


def tail(
    phone: PhoneOption = None,
    since: SinceOption = None,
    source: SourceOption = None,
    type_: TypeOption = None,
    in_state: InOption = None,
    rule: RuleOption = None,
    outcome: OutcomeOption = None,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="How many that are there already to begin with.")] = 10,
    rules: RulesOption = None,
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")] = False,
) -> None:
    """Show events as they come in, are worked on and end, until Ctrl-C; beside a running serve.

    With filters, an event is shown when it has become what is asked for.
    """
    settings = read_settings(rules, state)
    looked_for = wanted(
        settings,
        phone=phone,
        since=since,
        source=source,
        type_=type_,
        state=in_state,
        rule=rule,
        outcome=outcome,
    )
    tell_doubts(settings, looked_for, is_over=False)
    run(_tail(settings, looked_for, limit, _json_printer if as_json else _row_printer))


async def _tail(
    settings: Settings, looked_for: Wanted, limit: int, printer: Callable[[], Callable[[StoredEvent], None]]
) -> None:
    from badge_bridge.following import Follower, there_already
    from badge_bridge.serving import until_signal

    # From the beginning, so that Ctrl-C is always the quiet end.
    stopped = asyncio.create_task(until_signal())
    follower = Follower(looked_for, now=time.time())
    async with opened_to_read(settings) as store:
        await follower.begin(store)
        show = printer()  # with its heading, which nobody needs where there is nothing to look at
        for event in await there_already(store, looked_for, limit=limit):
            show(event)
    every = EVERY_BILLED if settings.state.startswith("firestore:") else EVERY
    trouble = ""
    while not (await asyncio.wait([stopped], timeout=every))[0]:
        try:
            # Opened anew each time: the file may be another one since, after a restore.
            async with opened_to_read(settings) as store:
                changed = await follower.look(store, now=time.time())
        except (StoreUnavailable, SettingsError) as error:  # it may be away for a moment
            if str(error) != trouble:
                trouble = str(error)
                print(f"badge-bridge: {trouble}; trying again", file=sys.stderr)
            continue
        trouble = ""
        for event in changed:
            show(event)


def _print_json(event: StoredEvent) -> None:
    from badge_bridge.life import summary

    outcomes = [outcome.model_dump() for outcome in event.outcomes]
    print(json.dumps({**summary(event), "outcomes": outcomes}), flush=True)


def _json_printer() -> Callable[[StoredEvent], None]:
    return _print_json


def _row_printer() -> Callable[[StoredEvent], None]:
    from badge_bridge.terminal_rows import Changes

    return Changes().show
