"""`badge-bridge resume`: ending the pauses of a portal by hand, beside a running `serve`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from badge_bridge import cli_completion
from badge_bridge.cli_options import (
    JsonOption,
    RulesOption,
    StateOption,
    chosen,
    fail_without_rules,
    opened_store,
    quiet,
    read_settings,
    run,
    say,
)
from badge_bridge.errors import RulesError
from badge_bridge.plural import counted

if TYPE_CHECKING:
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Pause

__all__ = ["resume"]


def resume(
    portal: Annotated[
        str | None,
        typer.Argument(
            help="The portal's name in the rules file. Default: all.",
            autocompletion=cli_completion.portals,
            show_default=False,
        ),
    ] = None,
    rules: RulesOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the pauses of a portal: one event tries it at once, and the others follow where that goes well."""
    from badge_bridge.configuration import without_secrets
    from badge_bridge.resuming import in_json

    settings = read_settings(rules, state)
    try:
        loaded = run(without_secrets(settings, os.environ))
    except RulesError as error:
        # A running `serve` works on by the rules of before, and may have paused a portal.
        if portal is None:
            fail_without_rules(error, "with a portal's name, `badge-bridge resume PORTAL` needs no rules file")
        say(f"{settings.rules} has mistakes, so {portal} is taken as it is typed; `badge-bridge check` prints them")
        quiet(None)
        names = [portal]
    else:
        quiet(loaded)
        names = chosen(loaded, portal)
    ended, waiting = run(_end(settings, names))
    if as_json:
        print(json.dumps({"resumed": [in_json(pause) for pause in ended]}, indent=2, ensure_ascii=False))
    else:
        _tell(names, ended, waiting)


async def _end(settings: Settings, portals: Sequence[str]) -> tuple[Sequence[Pause], Mapping[str, int]]:
    """The pauses that were ended, and how many events wait by lane."""
    from badge_bridge.portal.portal import lanes_of
    from badge_bridge.resuming import end_pauses

    lanes = [lane for name in portals for lane in lanes_of(name)]
    async with opened_store(settings) as store:
        ended = await end_pauses(store, lanes, now=time.time(), by="by badge-bridge resume")
        waiting = (await store.backlog()).waiting if ended else {}
    return ended, waiting


def _tell(portals: Sequence[str], ended: Sequence[Pause], waiting: Mapping[str, int]) -> None:
    from badge_bridge.portal.reasons import parse
    from badge_bridge.terminal_text import harmless
    from badge_bridge.typed_times import in_words

    if not ended:
        print(f"nothing is paused of {', '.join(portals)}")
        return
    for pause in ended:
        count = waiting.get(pause.lane, 0)
        print(f"{pause.lane} was paused until {in_words(pause.until)}: {harmless(parse(pause.reason).message)}")
        if count:
            one_of = "" if count == 1 else f"one of {counted(count, 'event')} that wait for it"
            print(f"  {one_of or 'the event that waits for it'} tries it within seconds, where serve runs")
        else:
            print("  the next event that needs it tries it")
