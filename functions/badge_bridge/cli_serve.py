"""`badge-bridge serve`: takes deliveries and works on them, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Collection
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge import cli_console
from badge_bridge.cli_options import RulesOption, StateOption, load_rules, read_settings, run
from badge_bridge.errors import StoreUnavailable

if TYPE_CHECKING:
    from badge_bridge.admin import Admin
    from badge_bridge.bridge import Bridge
    from badge_bridge.reloading import LiveBridge
    from badge_bridge.rules_watch import RulesWatch
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings

__all__ = ["register"]

logger = logging.getLogger("badge_bridge.serve")

MOST_LOOKED_AT = 5000
"""Rules of which it is told at the start that something in them is probably not meant."""


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    context: typer.Context,
    rules: RulesOption = None,
    state: StateOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    admin: Annotated[
        str | None,
        typer.Option(
            help="Where /metrics and /console are: HOST:PORT, same (beside the deliveries) or off. "
            "Default: ADMIN, else 127.0.0.1:8081.",
            show_default=False,
        ),
    ] = None,
    ensure_badges: Annotated[
        bool, typer.Option("--ensure-badges", help="Add the badges that the rules use and the portals lack.")
    ] = False,
) -> None:
    """Take deliveries and work on them, in one process with one SQLite file.

    Another rules file is taken up while it runs: when the file changes, and on SIGHUP.
    """
    from badge_bridge.portal.oauth import Cipher
    from badge_bridge.rules_watch import RulesWatch
    from badge_bridge.serving import bind
    from badge_bridge.settings import Address

    settings = read_settings(rules, state, ADMIN=admin)
    watch = None if settings.rules.startswith("gs://") else RulesWatch(settings.rules)
    settings, loaded = load_rules(settings)
    if any(portal.app is not None for portal in loaded.portals.values()):
        Cipher(settings.encryption_keys)  # says what is missing before a store is made
    _log_without(settings, loaded.secrets)
    listener = bind(host, port)
    own = bind(*settings.admin, option="--admin HOST:PORT") if isinstance(settings.admin, Address) else None
    clocks = context.obj or {}
    run(_serve(loaded, settings, listener, own, watch, host=host, ensure_badges=ensure_badges, **clocks))


def _log_without(settings: Settings, secrets: Collection[str]) -> None:
    """Log as the settings say, and never these secrets, nor those that were known before."""
    from badge_bridge.observability import logs

    logs.configure(
        settings.log_format or ("console" if sys.stderr.isatty() else "json"),
        settings.log_level,
        show_phone_numbers=settings.show_phone_numbers,
        secrets={*secrets, *settings.encryption_keys, settings.metrics_token} - {""},
    )


async def _serve(
    rules: RulesFile,
    settings: Settings,
    listener: socket.socket,
    own: socket.socket | None,
    watch: RulesWatch | None,
    *,
    host: str,
    ensure_badges: bool,
    **clocks: Any,
) -> None:
    """`own` is the listener of the pages that are for operators, where they have one; `host` as `serve` was told."""
    from badge_bridge.admin import opened_admin
    from badge_bridge.configuration import configured
    from badge_bridge.ensuring import Ensuring
    from badge_bridge.observability import logs
    from badge_bridge.probes import lives
    from badge_bridge.reloading import open_live
    from badge_bridge.server import create_app
    from badge_bridge.service_manager import ServiceManager
    from badge_bridge.serving import Server, hearing_hangups, hearing_stops, spare_the_collector
    from badge_bridge.store import opened_store
    from badge_bridge.whereabouts import HOOKS, announced

    ensuring = Ensuring() if ensure_badges else None

    async def load() -> RulesFile:
        # In a thread with a loop of its own: compiling takes longer than a delivery should wait.
        _, loaded = await asyncio.to_thread(lambda: asyncio.run(configured(settings, os.environ)))
        return loaded

    def swapped(bridge: Bridge) -> None:
        if ensuring is not None:
            ensuring.start(bridge.rules, bridge.portals)

    asked = asyncio.Event()
    manager = ServiceManager(os.environ)
    async with AsyncExitStack() as stack:
        stack.enter_context(hearing_hangups(asked))
        store = await stack.enter_async_context(opened_store(settings.state))
        bridge = await stack.enter_async_context(
            open_live(
                rules,
                store,
                load=load,
                mask=lambda secrets: _log_without(settings, secrets),
                swapped=swapped,
                concurrency=settings.concurrency,
                keys=settings.encryption_keys,
                installed=ensuring.again if ensuring else None,
                **clocks,
            )
        )
        # From before it listens, so that whoever sees it answer may end it, until the first signal, so that a second
        # one ends it at once.
        hearing = stack.enter_context(ExitStack())
        asked_to_stop = hearing.enter_context(hearing_stops())
        admin = await stack.enter_async_context(opened_admin(bridge, settings, own or listener, host=host))
        app = create_app(bridge, admin if settings.admin == "same" else None)
        server = await stack.enter_async_context(Server(app, listener, meters=bridge.meters, whose="deliveries"))
        with suppress(StoreUnavailable):  # it is for the convenience of `sign` alone
            await stack.enter_async_context(announced(store, server.url, of=HOOKS))
        await _say_started(bridge, settings, server.url, admin, ensures=ensure_badges)
        # Beside the deliveries: a portal that does not answer must not keep a provider waiting.
        swapped(bridge.now)
        beside = [
            asyncio.create_task(bridge.follow(watch, asked), name="follow the rules file"),
            asyncio.create_task(manager.hear_signs_of_life(lambda: lives(bridge.worker)), name="give signs of life"),
        ]
        manager.started()
        try:
            await asyncio.to_thread(logs.upgrade)
            spare_the_collector()
            await asked_to_stop.wait()
            hearing.close()
            logger.info("stopping")
            manager.stopping()
            if admin is not None:
                admin.stop()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if ensuring is not None:
                await ensuring.stop()


async def _warnings(rules: RulesFile) -> int:
    """In a thread, since deliveries come in already; 0 where there are so many rules that it would take long."""
    from badge_bridge.rulesfile.examining import warnings
    from badge_bridge.sources import OPTIONS

    return await asyncio.to_thread(warnings, rules, providers=OPTIONS) if len(rules.rules) <= MOST_LOOKED_AT else 0


async def _say_started(bridge: LiveBridge, settings: Settings, url: str, admin: Admin | None, *, ensures: bool) -> None:
    """A block to read on a terminal, and else the lines of a log."""
    from badge_bridge.observability.started_line import log_started
    from badge_bridge.startup import started

    for caution in bridge.rules.cautions:
        logger.warning("%s", caution)
    is_shown = sys.stdout.isatty()  # elsewhere the link would stay in somebody's log
    tells_metrics = settings.admin == "same" and not settings.metrics_token
    startup = await started(
        bridge,
        url=url,
        state=settings.state,
        console=admin.url if admin is not None else "",
        ensures=ensures,
        tells_metrics=tells_metrics,
        warnings=await _warnings(bridge.rules),
    )
    if is_shown:
        from badge_bridge.terminal_startup import print_startup

        print_startup(startup, link=await cli_console.link_into(bridge.store, admin.url) if admin is not None else "")
        if sys.stderr.isatty() and settings.log_format in {None, "console"}:
            return
    log_started(
        url=url,
        state=settings.state,
        rules=startup.rules_hash,
        sources=[(source.name, source.provider) for source in startup.sources],
        fields=startup.fields,
    )
    if admin is not None:
        logger.info("operators find /metrics and /console at %s; badge-bridge console lets them in", admin.url)
        if tells_metrics:
            logger.warning("/metrics is told to whoever reaches the deliveries: set METRICS_TOKEN, or ADMIN elsewhere")
