"""`badge-bridge clear`: taking badges off their cards by hand."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from badge_bridge.cli_options import RulesOption, StateOption, load_rules, opened_store, quiet, read_settings, run
from badge_bridge.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings

__all__ = ["clear"]


def clear(
    keys: Annotated[
        list[str] | None, typer.Argument(help="Keys of events whose badges to take away, as events list prints them.")
    ] = None,
    phone: Annotated[
        str | None, typer.Option("--phone", help="All badges of the customer with this number, such as +4930901820.")
    ] = None,
    rules: RulesOption = None,
    state: StateOption = None,
) -> None:
    """Take badges off their cards by hand, as a returned call would."""
    if not keys and not phone:
        raise SettingsError("say which badges: keys of events, or --phone with the customer's number")
    settings = read_settings(rules, state)
    loaded = load_rules(settings)
    quiet(loaded)
    if not run(_clear(loaded, settings, keys or [], phone or "")):
        sys.exit(1)


async def _clear(rules: RulesFile, settings: Settings, keys: Sequence[str], phone: str) -> bool:
    """Whether everything that was meant is taken away."""
    from badge_bridge.access import open_beside
    from badge_bridge.cards import Cards
    from badge_bridge.outcomes import Asked
    from badge_bridge.rulesfile import customer_join
    from badge_bridge.store.memory import MemoryStore

    async with AsyncExitStack() as stack:
        store, pauses = await stack.enter_async_context(opened_store(settings)), MemoryStore()
        await pauses.open()
        stack.push_async_callback(pauses.close)
        rows = [row for key in keys for row in await store.attachments(key)]
        rows += await store.open_attachments(customer_join(phone)) if phone else []
        meant = {(row.key, row.rule): row for row in rows if row.activity is not None and row.closed_at is None}
        if not meant:
            print("badge-bridge: there is no open badge of these", file=sys.stderr)
            return False
        portals = {
            name: await open_beside(stack, entry, store=store, keys=settings.encryption_keys, pauses=pauses)
            for name, entry in rules.portals.items()
            if any(row.portal == name for row in meant.values())
        }
        cards = Cards(rules=rules, portals=portals, store=store, clock=time.time)
        well = True
        for row in meant.values():
            if row.portal not in portals:
                print(f"{row.key}: the rules file has no portal {row.portal} any more", file=sys.stderr)
                well = False
                continue
            try:
                print(f"{row.key}: {await cards.close(row, Asked())}")
            except BridgeError as error:
                print(f"{row.key}: {error}", file=sys.stderr)
                well = False
        return well
