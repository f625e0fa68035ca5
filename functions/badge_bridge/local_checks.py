"""What a doctor looks at on this side of the network: the rules file, its secrets, the sources, the store.

A running `serve` is not disturbed: the store is opened beside it, and what is written there to try it is taken back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import BaseModel

from badge_bridge.ahead import latest_tells, see
from badge_bridge.certain_time import NOTE, CertainTime
from badge_bridge.configuration import Google, configured, names_secrets, without_secrets
from badge_bridge.errors import GoogleError, RulesError, StoreUnavailable
from badge_bridge.plural import counted
from badge_bridge.portal.doctor import Check, Status
from badge_bridge.portal.reasons import parse
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.examining import warnings
from badge_bridge.settings import Settings
from badge_bridge.sources import OPTIONS
from badge_bridge.store import open_store
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Store
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.wanted import Wanted
from badge_bridge.store_room import UNTIL_MENDED, free_in, room_in
from badge_bridge.telling import in_short

__all__ = ["check_disk", "check_encryption_key", "check_rules", "check_sources", "check_store"]

_UNSET = "is not set in the environment"
"""What is said of a name that the rules file asks for; anything else is about a value."""

_AGAIN = "Mend what is named, or try again: Google may not have been reached for a moment."

_TRIAL = "doctor: a trial"
"""A lane that no portal can have, since its name has a space."""

_PATIENCE = 10.0
"""Seconds for which the pages of a store are looked at: some gigabytes where the system has them in memory."""


async def check_rules(
    settings: Settings, environ: Mapping[str, str], google: Google | None = None
) -> tuple[Settings, RulesFile | None, list[Check]]:
    """Whether the rules file loads, and whether its secrets are there; where both is so, the file, and the settings
    with the encryption keys.
    """
    try:
        complete, rules = await configured(settings, environ, google)
    except (RulesError, GoogleError) as error:
        return settings, None, await _mistaken(settings, environ, google, error)
    return (
        complete,
        rules,
        [
            _read(rules, settings.rules),
            Check("secrets", "ok", "every secret that the rules file asks for is there"),
        ],
    )


def _read(rules: RulesFile, written: str) -> Check:
    """`written` as in RULES."""
    found = warnings(rules, providers=OPTIONS)
    if not found:
        return Check("rules file", "ok", f"{written}: {rules.extent}")
    mend = f"See `badge-bridge check {quote(written)}`: it prints each at its place, with what to write instead."
    return Check("rules file", "warning", f"{written}: {counted(found, 'warning')}, {rules.extent}", mend)


async def _mistaken(
    settings: Settings, environ: Mapping[str, str], google: Google | None, error: RulesError | GoogleError
) -> list[Check]:
    """Secrets that are not there look like mistakes in the file, until it is read without them."""
    try:
        await without_secrets(settings, environ, google)
        in_google = await names_secrets(settings, environ, google)
    except (RulesError, GoogleError) as trouble:
        mend = "`badge-bridge check` prints every mistake for an editor." if isinstance(trouble, RulesError) else _AGAIN
        return [
            Check("rules file", "failed", str(trouble), mend),
            Check("secrets", "skipped", "not looked at, since rules file failed"),
        ]
    if isinstance(error, GoogleError):
        mend = _AGAIN
    else:
        mend = _mend([_UNSET in finding.message for finding in error.findings], in_google=in_google)
    return [
        Check("rules file", "ok", f"{settings.rules} can be read"),
        Check("secrets", "failed", str(error), mend),
    ]


def _mend(unset: Sequence[bool], *, in_google: bool) -> str:
    """`unset`: of each finding, whether it is of a variable without a value."""
    if in_google and not all(unset):
        return "Mend what is named."
    what = "Set or correct what is named" if any(unset) else "Correct the variables that stand at these places"
    return f"{what}, in the environment of this command and of serve."


def check_encryption_key(applications: Sequence[str], *, is_set: bool) -> Check:
    """`applications` are the portals whose tokens an application renews: those are kept encrypted."""
    name = "ENCRYPTION_KEY"
    if not applications:
        return Check(name, "skipped", "no portal is reached by an application whose tokens are kept")
    if not is_set:
        mend = "`badge-bridge key` prints a new one; set it in the environment, and keep it: stored tokens need it."
        return Check(name, "failed", f"not set, and portal {applications[0]} is reached by an application", mend)
    return Check(name, "ok", "set")


def check_sources(rules: RulesFile) -> list[Check]:
    """Where each source takes deliveries, and whether the URL that it is told to have fits that."""
    return [_source(name, options) for name, options in rules.sources.items()]


def _source(name: str, options: BaseModel) -> Check:
    path = f"/hooks/{name}"
    takes = f"{getattr(options, 'provider', 'a provider')} delivers to {path}"
    public_url = getattr(options, "public_url", None)
    if public_url and not urlsplit(public_url).path.rstrip("/").endswith(path):
        return Check(
            f"source {name}",
            "warning",
            f"{takes}, but its public_url is {public_url}",
            f"Unless a proxy in front of the bridge changes paths, let public_url end in {path}, and enter the same "
            "URL at the provider.",
        )
    return Check(f"source {name}", "ok", f"{takes}, from outside {public_url}" if public_url else takes)


async def check_store(
    state: str, lanes: Sequence[str], *, now: float, sources: Mapping[str, BaseModel] = MappingProxyType({})
) -> list[Check]:
    """Whether the store can be opened, written and read, which of the lanes are paused in it, what was given up, and
    which of the sources tell times that lie ahead.

    Raises:
        SettingsError: `state` cannot be understood.
    """
    store = open_store(state)
    if isinstance(store, MemoryStore):
        mend = "Set STATE to a file, such as sqlite:////var/lib/badge-bridge/state.db."
        return [Check("store", "warning", "in memory: every event is lost when the bridge stops", mend)]
    if isinstance(store, SqliteStore) and not store.exists():
        return [_not_there_yet(Path(store.path))]
    try:
        await store.open()
        try:
            await store.pause(_TRIAL, until=now, reason="trial: this lane is taken back at once")
            await store.resume(_TRIAL)
            well = Check("store", "ok", f"{state} can be written and read" + await _pages(store))
            troubles = [*await _given_up(store), *await _doubted_clock(store), *await _ahead(store, sources)]
            return [well, *await _paused(store, lanes, now), *troubles]
        finally:
            await store.close()
    except StoreUnavailable as error:
        return [Check("store", "failed", str(error), UNTIL_MENDED)]


def check_disk(state: str, *, free: Callable[[Path], int] = free_in) -> list[Check]:
    """How much room is left where the store is, or will be; nothing of a store that is on no disk of this machine.
    `free` is as `free_in`.

    Raises:
        SettingsError: `state` cannot be understood.
    """
    store = open_store(state)
    room = room_in(Path(store.path).parent, free=free) if isinstance(store, SqliteStore) else None
    if room is None:
        return []
    status: Status = "failed" if room.is_none else "warning" if room.is_little else "ok"
    return [Check("disk", status, room.found, room.mend)]


async def _given_up(store: Store) -> list[Check]:
    """The newest tells its reason: most often it is that of the others too."""
    dead = (await store.backlog()).dead
    if not dead:
        return []
    newest = (await store.list(Wanted(state="dead"), limit=1)).events
    reasons = [f"; the newest: {in_short(one.reason)}" for one in newest if one.reason]
    mend = "`badge-bridge events list --in dead` shows them. Mend what the reasons say, then try them again with "
    mend += "`badge-bridge events redrive --in dead`."
    return [Check("dead letters", "warning", f"{counted(dead, 'event')} given up{''.join(reasons)}", mend)]


async def _doubted_clock(store: Store) -> list[Check]:
    """Whether `retention` waits for the clock, as of its last look."""
    note = await store.note(NOTE)
    certain = CertainTime.parse(note.text) if note else None
    if certain is None or not certain.is_doubted:
        return []
    mend = f"Is it {_moment(certain.clock)} or later? Then wait, and let serve run; else set the clock of its machine."
    return [Check("retention", "warning", f"as of its last look, {certain}", mend)]


async def _ahead(store: Store, sources: Mapping[str, BaseModel]) -> list[Check]:
    """Of each source whose latest event tells a time that lies ahead of this machine's clock."""
    return [
        Check(f"times of {name}", "warning", told, f"See {see(options)}.")
        for name, options in sources.items()
        for one in (await store.list(Wanted(source=name), limit=1)).events
        if (told := latest_tells(one.event, one.received_at))
    ]


async def _pages(store: Store) -> str:
    if not isinstance(store, SqliteStore):
        return ""
    if await store.examine(seconds=_PATIENCE):
        return ", and every page of it is sound"
    return (
        f"; no fault was found in the {_PATIENCE:g} s that it was looked at, `badge-bridge backup` looks at all of it"
    )


def _not_there_yet(path: Path) -> Check:
    """Opening the store would make it, perhaps in a wrong place and for a wrong user."""
    folder = path.parent
    if not folder.is_dir():
        return Check("store", "failed", f"the folder {folder} does not exist", "Create it, or correct STATE.")
    if not os.access(folder, os.W_OK | os.X_OK):
        mend = "Make it writable for the user that runs the bridge, or correct STATE."
        return Check("store", "failed", f"the folder {folder} may not be written", mend)
    return Check("store", "ok", f"{path} is not there yet, serve will make it")


async def _paused(store: Store, lanes: Sequence[str], now: float) -> list[Check]:
    paused = [pause for pause in await store.paused(lanes) if pause.until > now]
    if not paused:
        return [Check("pauses", "ok", "nothing is paused")]
    reasons = [parse(pause.reason) for pause in paused]
    told = "\n".join(
        f"{pause.lane} is paused until {_moment(pause.until)}: {reason.message}"
        for pause, reason in zip(paused, reasons, strict=True)
    )
    mend = "When what is named is mended, the bridge goes on by itself then; badge-bridge resume ends the pause now"
    mend += ", and so does a restart with a new credential." if any(reason.refused for reason in reasons) else "."
    return [Check("pauses", "warning", told, mend)]


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
