"""`badge-bridge clear`: taking badges off their cards by hand."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from badge_bridge import cli_completion
from badge_bridge.cli_filters import event_of
from badge_bridge.cli_options import RulesOption, StateOption, load_rules, opened_store, quiet, read_settings, run
from badge_bridge.cli_subjects import opened_portals
from badge_bridge.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Attachment, Store

__all__ = ["clear"]

_ALL = 100_000
"""More calls than a customer makes."""


def clear(
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            help="Keys of events whose badges to take away, as events list prints them.",
            autocompletion=cli_completion.keys,
        ),
    ] = None,
    phone: Annotated[
        str | None,
        typer.Option(
            "--phone",
            help="All badges of the customer with this number, also as it is written in a source's country.",
        ),
    ] = None,
    rules: RulesOption = None,
    state: StateOption = None,
) -> None:
    """Take badges off their cards by hand, as a returned call would."""
    if not keys and not phone:
        raise SettingsError("say which badges: keys of events, or --phone with the customer's number")
    settings, loaded = load_rules(read_settings(rules, state))
    quiet(loaded)
    if not run(_clear(loaded, settings, keys or [], phone or "")):
        sys.exit(1)


async def _clear(rules: RulesFile, settings: Settings, keys: Sequence[str], phone: str) -> bool:
    """Whether everything that was meant is taken away."""
    from badge_bridge.cards import Cards
    from badge_bridge.outcomes import Asked
    from badge_bridge.spellings import plain, readings

    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_store(settings))
        meant = _Meant()
        for key in keys:
            found = await event_of(store, key)
            await meant.event(store, key if found is None else found.key, is_known=found is not None)
        if phone:
            await meant.customer(store, dict.fromkeys((*readings(rules, plain(phone)), phone.strip())))
        wanted = [name for name in rules.portals if any(row.portal == name for row in meant.rows.values())]
        portals = await stack.enter_async_context(opened_portals(rules, wanted, settings, store))
        cards = Cards(rules=rules, portals=portals, store=store, clock=time.time)
        for row in meant.rows.values():
            if row.portal not in portals:
                meant.problems.append(f"{row.key}: the rules file has no portal {row.portal} any more")
                continue
            try:
                print(f"{row.key}: {await cards.close(row, Asked())}")
            except BridgeError as error:
                meant.problems.append(f"{row.key}: {error}")
        for problem in meant.problems:
            print(f"badge-bridge: {problem}", file=sys.stderr)
        return not meant.problems


@dataclass(slots=True)
class _Meant:
    """The rows of the ledger that are to be closed, by event and rule, and why not all that was meant is among them."""

    rows: dict[tuple[str, str], Attachment] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    async def event(self, store: Store, key: str, *, is_known: bool) -> None:
        """All of an event's that are open."""
        if self._add(await store.attachments(key)):
            return
        self.problems.append(
            f"{key}: there is no open badge of this event"
            if is_known
            else f"there is no event {key}; badge-bridge events list prints the keys"
        )

    async def customer(self, store: Store, numbers: Collection[str]) -> None:
        """All of a customer's that are open, whatever clears them, and if nothing does."""
        from badge_bridge.events import customer_join

        found = []
        for join in map(customer_join, numbers):
            found += await store.open_attachments(join)
            for key, _ in await store.joined(join, after=0, limit=_ALL):
                found += await store.attachments(key)
        if not self._add(found):
            self.problems.append("there is no open badge of a customer with this number")

    def _add(self, rows: Sequence[Attachment]) -> bool:
        """Whether any of them is open, its activity known or not."""
        there = [row for row in rows if row.closed_at is None]
        for row in there:
            if row.activity is not None:
                self.rows[row.key, row.rule] = row
                continue
            doubt = (
                f"{row.key}: whether its badge was added is not known yet; when the event has ended, redrive it "
                f"(badge-bridge events redrive {row.key}) and clear it again"
            )
            if doubt not in self.problems:
                self.problems.append(doubt)
        return bool(there)
