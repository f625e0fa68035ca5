"""`badge-bridge erase`: deleting a person's data, and showing that it is gone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from badge_bridge.cli_options import (
    JsonOption,
    RulesOption,
    StateOption,
    fail,
    must_be_kept,
    opened_store,
    quiet,
    read_settings,
    run,
)
from badge_bridge.errors import SettingsError
from badge_bridge.plural import counted

if TYPE_CHECKING:
    from badge_bridge.erasure import Erased, Held
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.spellings import Spellings

__all__ = ["erase"]

_PLACES = {
    "event": ("event", "events"),
    "ledger": ("event with badges", "events with badges"),
    "call": ("call", "calls"),
    "pause": ("reason of a pause", "reasons of pauses"),
    "note": ("rules file of before", "rules files of before"),
}
_NAMES = {
    "event": "events",
    "ledger": "events_with_badges",
    "call": "calls",
    "pause": "reasons_of_pauses",
    "note": "rules_files",
}
_SHOWN = 10
"""Events that are shown before they are erased."""
_NAMED = 5
"""Other customers that are named."""
_TOLD = 100
"""Texts between two looks at the bar."""
_INTERRUPTED = "interrupted; what was erased is gone, erase again for the rest"


def erase(
    phone: Annotated[
        str, typer.Argument(help="The person's telephone number, also as it is written in a source's country.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Also events that have not ended, and also a number that is a line of ours.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before.")] = False,
    rules: RulesOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete everything that is kept of a person, and show that nothing is left."""
    from badge_bridge.configuration import without_secrets
    from badge_bridge.erasure import beyond
    from badge_bridge.spellings import Spellings, one_number

    if not yes and not sys.stdin.isatty():
        raise SettingsError("erase asks before it deletes; without a terminal, add --yes")
    settings = read_settings(rules, state)
    must_be_kept(settings, "erase")
    loaded = run(without_secrets(settings, os.environ))
    quiet(loaded)
    spellings = Spellings(one_number(loaded, phone))
    there = run(_look(settings, loaded, spellings))
    if not force:
        _refuse(there, spellings.number)
    # Outside of the event loop, which takes Ctrl-C for itself: an answer that is typed after it would count.
    if there.traces and not yes:
        _ask(there, spellings.number)
    erased = run(_erase(settings, loaded, spellings, there), interrupted=_INTERRUPTED)
    out_of_reach = list(beyond(loaded, spellings, in_firestore=settings.state.startswith("firestore:")))
    if as_json:
        print(json.dumps(_as_json(there, erased, spellings.number, out_of_reach), indent=2, ensure_ascii=False))
    else:
        _tell(settings, there, erased, spellings.number, out_of_reach)
    if erased.left:
        sys.exit(1)


async def _look(settings: Settings, rules: RulesFile, spellings: Spellings) -> Held:
    from badge_bridge.erasure import held

    async with opened_store(settings) as store:
        with _searching(spellings, "searching") as sought:
            return await held(store, rules, sought)


async def _erase(settings: Settings, rules: RulesFile, spellings: Spellings, there: Held) -> Erased:
    from badge_bridge.erasure import erase

    async with opened_store(settings) as store:
        with _searching(spellings, "erasing, and searching again") as sought:
            return await erase(store, rules, sought, there)


@contextmanager
def _searching(spellings: Spellings, what: str) -> Iterator[Spellings]:
    """The same number, sought while it is shown how many texts, or pieces of files, were looked at."""
    from badge_bridge.spellings import Spellings as Sought
    from badge_bridge.terminal_progress import progress

    with progress(what) as bar:

        class Shown(Sought):
            looked_at = 0

            def in_bytes(self, content: bytes) -> int | None:
                self.looked_at += 1
                if self.looked_at % _TOLD == 0:
                    bar.at(self.looked_at)
                return super().in_bytes(content)

        yield Shown(spellings.number)


def _refuse(there: Held, number: str) -> None:
    """End where erasing would hit what is at work, or everybody."""
    if there.on_line:
        fail(
            f"{number} is a line of yours, in {counted(there.on_line, 'event')}; --force erases all of them, whoever "
            "called there",
            1,
        )
    if there.open:
        events = ", ".join(f"{event.key} ({event.state})" for event in there.open[:5])
        more = f" and {len(there.open) - 5} more" if len(there.open) > 5 else ""
        fail(
            f"{number} is in what has not ended: {events}{more}; erase when it has, or with --force, which may leave a "
            "badge on a card that nobody knows of",
            1,
        )


def _ask(there: Held, number: str) -> None:
    print(f"{number}: {_counts(there.count)}", file=sys.stderr)
    _show_events(there)
    _tell_others(there, file=sys.stderr)
    _tell_cards(there, file=sys.stderr)
    try:
        if typer.confirm("Erase all of it, for good?", err=True):
            return
    except typer.Abort:
        print("\nNothing was changed.", file=sys.stderr)
        sys.exit(130)
    print("Nothing was changed.", file=sys.stderr)
    sys.exit(1)


def _show_events(there: Held) -> None:
    from rich.console import Console

    from badge_bridge.terminal_rows import print_list

    if there.events:
        print_list(there.events[:_SHOWN], console=Console(stderr=True, soft_wrap=True, highlight=False))
    if len(there.events) > _SHOWN:
        print(f"and {len(there.events) - _SHOWN:,} more", file=sys.stderr)


def _tell_others(there: Held, *, file: TextIO | None = None) -> None:
    """Warn of events that are hardly this person's: the number just stands in them."""
    from badge_bridge.terminal_text import plain

    if not there.of_others:
        return
    events = sum(map(len, there.of_others.values()))
    whose = "another customer" if len(there.of_others) == 1 else "other customers"
    customers = ", ".join(plain(customer).plain for customer in [*there.of_others][:_NAMED])
    more = f" and {len(there.of_others) - _NAMED:,} more" if len(there.of_others) > _NAMED else ""
    print(f"{events:,} of these {'is' if events == 1 else 'are'} of {whose}: {customers}{more}", file=file)


def _counts(count: Callable[[str], int]) -> str:
    numbers = [(count(place), words) for place, words in _PLACES.items()]
    return ", ".join(counted(number, *words) for number, words in numbers if number) or "nothing"


def _tell_cards(there: Held, *, file: TextIO | None = None) -> None:
    from badge_bridge.terminal_text import harmless

    for key, card in there.on_cards:
        activity = "an activity that may be there" if card.activity is None else f"activity {card.activity}"
        print(harmless(f"  portal {card.portal}, {card.owner}: badge {card.badge}, {activity}, of {key}"), file=file)
    if there.on_cards:
        print(
            "Once its event is erased, nothing takes a badge off any more; badge-bridge clear does before.", file=file
        )


def _tell(settings: Settings, there: Held, erased: Erased, number: str, out_of_reach: Sequence[str]) -> None:
    from badge_bridge.terminal_text import harmless

    print(f"{number}: erased {_counts(erased.count)}")
    _tell_others(there)
    for anew in sorted(erased.noted_anew, key=lambda one: one.portal):
        print(harmless(f"taken out of what is noted of the calls of portal {anew.portal}: {anew.how}"))
    for left in erased.left:
        print(harmless(f"left: {left.what}: {left.why}"))
    if not erased.left:
        files = " and every byte of its files were" if settings.state.startswith("sqlite:") else " was"
        print(f"every row of {settings.state}{files} searched afterwards: nothing of it is left")
    if there.on_cards:
        print("\nbadges that were on cards, and stay there until somebody completes them in the portal:")
        _tell_cards(there)
    print("\nout of reach, and yours to see to:")
    for sentence in out_of_reach:
        print(harmless(f"  {sentence}"))


def _as_json(there: Held, erased: Erased, number: str, out_of_reach: Sequence[str]) -> dict[str, object]:
    from badge_bridge.on_cards import as_json

    return {
        "number": number,
        "erased": {name: erased.count(place) for place, name in _NAMES.items()},
        "keys": there.keys,
        "of_other_customers": [{"customer": customer, "keys": keys} for customer, keys in there.of_others.items()],
        "left": [{"what": left.what, "why": left.why} for left in erased.left],
        "noted_anew": [
            {"portal": anew.portal, "how": anew.how} for anew in sorted(erased.noted_anew, key=lambda one: one.portal)
        ],
        "on_cards": [{"event": key, **as_json(card)} for key, card in there.on_cards],
        "out_of_reach": out_of_reach,
    }
