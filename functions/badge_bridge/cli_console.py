"""`badge-bridge console`: the way into the console of a running `serve`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from badge_bridge.cli_options import StateOption, fail, opened_store, read_settings, run, unused_store
from badge_bridge.errors import SettingsError

if TYPE_CHECKING:
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Store

__all__ = ["commands", "link_into"]

commands = typer.Typer()


@commands.command()
def console(state: StateOption = None) -> None:
    """Print a link into the console of a running serve: good for 10 minutes and once."""
    settings = read_settings(None, state)
    # Before it is opened: a link that nobody takes is of no use, and what is no serve's store may be a backup.
    unused = unused_store(settings)
    if unused:
        fail(f"no serve has this store open: {unused}; start one, or say with --state or STATE where it has its own", 1)
    print(run(_link(settings)))


async def _link(settings: Settings) -> str:
    from badge_bridge.whereabouts import CONSOLE, address

    async with opened_store(settings) as store:
        url = await address(store, of=CONSOLE)
        if not url:
            raise SettingsError("no serve with a console uses this store: start one, with ADMIN not set to off")
        return await link_into(store, url)


async def link_into(store: Store, url: str) -> str:
    """A new link into the console at `url`."""
    from badge_bridge.console.links import issue
    from badge_bridge.console.paths import ENTER

    return f"{url}{ENTER}?ticket={await issue(store, now=time.time())}"
