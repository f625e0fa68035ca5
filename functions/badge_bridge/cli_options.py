"""What the modules of the command line share: options, and from them settings, rules and a running event loop."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, get_args

import typer

from badge_bridge import cli_completion
from badge_bridge.closeness import closest
from badge_bridge.errors import RulesError, SettingsError, StoreUnavailable

if TYPE_CHECKING:
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Store
    from badge_bridge.store.sqlite import SqliteStore

__all__ = [
    "JsonOption",
    "PortalOption",
    "RulesOption",
    "StateOption",
    "chosen",
    "fail",
    "fail_without_rules",
    "load_rules",
    "missing_store",
    "must_be_kept",
    "no_store",
    "opened_store",
    "opened_to_read",
    "quiet",
    "read_settings",
    "run",
    "say",
    "unused_store",
]

T = TypeVar("T")

RulesOption = Annotated[
    str | None,
    typer.Option(
        "--rules", help="The rules file, or gs://BUCKET/OBJECT. Default: RULES, else rules.yaml.", show_default=False
    ),
]
StateOption = Annotated[
    str | None,
    typer.Option(
        "--state", help="Where events are kept. Default: STATE, else sqlite:///badge-bridge.db.", show_default=False
    ),
]
PortalOption = Annotated[
    str | None,
    typer.Option(
        "--portal",
        help="Only this portal of the rules file. Default: all.",
        show_default=False,
        autocompletion=cli_completion.portals,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def fail(message: str, code: int) -> NoReturn:
    say(message)
    sys.exit(code)


def fail_without_rules(error: RulesError, instead: str) -> NoReturn:
    """The mistakes as they are printed everywhere, and then what can be typed that needs no rules file."""
    from badge_bridge.terminal_findings import print_findings

    print_findings(error.findings, sys.stderr)
    fail(instead, 1)


def say(message: str) -> None:
    """Beside what scripts read."""
    from badge_bridge.terminal_text import harmless

    print(harmless(f"badge-bridge: {message}"), file=sys.stderr)


def run(work: Coroutine[Any, Any, T], *, interrupted: str | Callable[[], str] = "") -> T:
    """Run in uvloop, as the servers do. Ctrl-C ends a command with 130 and no traceback; `interrupted` says what is
    half done then, or finds it out.
    """
    try:
        import uvloop

        return uvloop.run(work)
    except KeyboardInterrupt:
        work.close()  # it may not have begun
        if interrupted:
            fail(interrupted if isinstance(interrupted, str) else interrupted(), 130)
        sys.exit(130)


def read_settings(rules: str | None, state: str | None, **others: str | None) -> Settings:
    """The environment's settings, but for what was given as options; `others` are by the name of their variable."""
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import State

    if state and (of_events := closest(state, get_args(State))):
        raise SettingsError(
            f"--state says where events are kept, and {state!r} is no such place; for the events that are {of_events} "
            f"write --in {of_events}"
        )
    given = {"RULES": rules, "STATE": state, **others}
    return Settings.from_environ({**os.environ, **{name: value for name, value in given.items() if value}})


def load_rules(settings: Settings) -> tuple[Settings, RulesFile]:
    """The rules with their secrets, and the settings with the encryption keys."""
    from badge_bridge.configuration import configured

    return run(configured(settings, os.environ))


def quiet(rules: RulesFile | None) -> None:
    """A command prints what it found; the log repeats only what has no other place, and no secret. None where the rules
    file cannot be used.
    """
    from badge_bridge.observability import logs

    logs.configure("console", "ERROR", secrets=rules.secrets if rules is not None else ())


def chosen(rules: RulesFile, portal: str | None) -> list[str]:
    if portal is None:
        return list(rules.portals)
    if portal not in rules.portals:
        close = closest(portal, rules.portals)
        meant = f"did you mean {close}?" if close else f"it has {', '.join(rules.portals)}"
        raise SettingsError(f"{rules.filename} has no portal {portal!r}; {meant}")
    return [portal]


def missing_store(settings: Settings) -> str:
    """The path of a store that is not there yet; empty where there is one, or no file is needed."""
    from badge_bridge.store import open_store
    from badge_bridge.store.sqlite import SqliteStore

    store = open_store(settings.state)
    return str(store.path) if isinstance(store, SqliteStore) and not store.exists() else ""


def unused_store(settings: Settings) -> str:
    """The path of a store that is there and that no process has open; empty where one has, or it is no file."""
    from badge_bridge.store import open_store
    from badge_bridge.store.sqlite import SqliteStore

    store = open_store(settings.state)
    return str(store.path) if isinstance(store, SqliteStore) and store.exists() and not store.is_in_use() else ""


def must_be_kept(settings: Settings, command: str) -> None:
    """End a command that has nothing to do in a store which ends with its process.

    Raises:
        SettingsError: it is such a store.
    """
    from badge_bridge.store import open_store
    from badge_bridge.store.memory import MemoryStore

    if isinstance(open_store(settings.state), MemoryStore):
        raise SettingsError(f"{command} is for a store that is kept; {settings.state} is kept nowhere")


def no_store(path: str) -> SettingsError:
    return SettingsError(f"there is no store at {path}; say with --state or STATE where serve keeps its events")


@asynccontextmanager
async def opened_store(settings: Settings, *, to_read: bool = False) -> AsyncIterator[Store]:
    """The store, next to a `serve` that may be using it. Where it is opened `to_read` only, it need not be writable.

    Raises:
        SettingsError: there is none yet, or it is one of an older version, which only `serve` brings up to date.
        StoreUnavailable: it cannot be opened.
    """
    from badge_bridge.store.sqlite import SqliteStore

    store = _store_of_now(settings)
    try:
        await store.open()
    except StoreUnavailable as error:
        if not to_read or not isinstance(store, SqliteStore):
            raise
        await _read_at_least(store, error)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def opened_to_read(settings: Settings) -> AsyncIterator[Store]:
    """The store for a moment and for reading alone, so that nothing else notices: a file is not held, nor written.

    Raises:
        SettingsError, StoreUnavailable: as `opened_store`.
    """
    from badge_bridge.store.sqlite import SqliteStore

    store = _store_of_now(settings)
    await (store.open_to_read() if isinstance(store, SqliteStore) else store.open())
    try:
        yield store
    finally:
        await store.close()


def _store_of_now(settings: Settings) -> Store:
    from badge_bridge.store import open_store
    from badge_bridge.store.sqlite import SqliteStore

    absent = missing_store(settings)
    if absent:
        raise no_store(absent)
    store = open_store(settings.state)
    if isinstance(store, SqliteStore) and store.is_older():
        raise SettingsError(
            f"{store.path} was written by an older version of Badge Bridge: end what runs on it and start serve once, "
            "which brings it up to date"
        )
    return store


async def _read_at_least(store: SqliteStore, error: StoreUnavailable) -> None:
    try:
        await store.open_to_read()
    except StoreUnavailable:
        raise error from None
    say(f"{error}; it is read all the same")
