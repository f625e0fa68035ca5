"""`badge-bridge backup` and `badge-bridge restore`: a store in use into one file, and back."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge.cli_options import JsonOption, StateOption, no_store, read_settings
from badge_bridge.errors import SettingsError
from badge_bridge.plural import counted

if TYPE_CHECKING:
    from badge_bridge.store.sqlite.backup import Copying
    from badge_bridge.store.sqlite.contents import Contents, Stopping

__all__ = ["register"]

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="The backup.", show_default=False)]

_OF_FIRESTORE = {
    "backup": "a Firestore database is backed up by Google: gcloud firestore backups schedules create "
    "--project={project} --database='{database}' --recurrence=daily --retention=14d; and every minute of the last "
    "seven days is kept after: gcloud firestore databases update --project={project} --database='{database}' "
    "--enable-pitr",
    "restore": "a Firestore database is restored by Google, into a new database: gcloud firestore backups list "
    "--project={project}; then gcloud firestore databases restore --project={project} --source-backup=BACKUP "
    "--destination-database=NAME; and STATE=firestore://{project}/NAME",
}


def register(app: typer.Typer) -> None:
    """Put the commands for keeping a store safe into the application."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: FileArgument,
    state: StateOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file where it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the store into one file, checked, beside a running serve.

    ENCRYPTION_KEY, the rules file and its secrets are not in it.
    """
    from badge_bridge.store.sqlite.backup import backup as work

    path = _path(state, "backup")
    if not Path(path).exists():
        raise no_store(path)
    begun, since = datetime.now(UTC), time.monotonic()
    with _stoppable() as stopping, _copying() as copying:
        found = work(path, file, force=force, stopping=stopping, copying=copying)
    taken = {"taken_at": begun.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - since, 1)}
    said = {"file": file, **_facts(Path(file), found), **taken}
    if as_json:
        print(json.dumps(said, indent=2))
    else:
        moment = begun.strftime("%Y-%m-%d %H:%M:%S UTC")
        print(f"{file}: {_in_words(said)}; the store as of {moment}, copied and checked in {said['seconds']} s")


def restore(file: FileArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Put a backup in the place of the store, which is kept under another name; nothing may have it open.

    The next start of serve takes up what the backup has as under way. What was done after the backup was made is not
    in it, and is looked for in the portal before a badge is attached.
    """
    from badge_bridge.portal.oauth import NOTES
    from badge_bridge.store.sqlite.restore import restore as work

    path = _path(state, "restore")
    with _stoppable() as stopping, _copying() as copying:
        done = work(file, path, now=time.time(), newer_notes=NOTES, stopping=stopping, copying=copying)
    tokens = [name.removeprefix(NOTES) for name in done.notes]
    said = {
        "file": file,
        **_facts(Path(file), done.contents),
        "store": path,
        "kept": str(done.kept) if done.kept else None,
        "kept_log": str(done.kept_log) if done.kept_log else None,
        "tokens": tokens,
    }
    if as_json:
        print(json.dumps(said, indent=2))
        return
    print(f"{path} is {file} now: {_in_words(said)}")
    if done.kept:
        print(f"the store from before is {done.kept}")
    if done.kept_log:
        print(
            f"the last commits of another store, whose file was replaced or removed by hand, are {done.kept_log}; if "
            "you still have that file, name them as it with -wal behind, beside it, and look at it with --state"
        )
    if tokens:
        print(f"taken over from it, since they change with use: the tokens of {', '.join(tokens)}")


def _path(state: str | None, command: str) -> str:
    """The path of the store's file.

    Raises:
        SettingsError: the store is none in a file; says what to do instead.
    """
    from badge_bridge.store import open_store
    from badge_bridge.store.firestore import FirestoreStore
    from badge_bridge.store.sqlite import SqliteStore

    settings = read_settings(None, state)
    store = open_store(settings.state)
    if isinstance(store, SqliteStore):
        return store.path
    if isinstance(store, FirestoreStore):
        raise SettingsError(_OF_FIRESTORE[command].format(project=store.project, database=store.database))
    raise SettingsError(f"{command} is for a store in a file; {settings.state} is kept nowhere")


@contextmanager
def _copying() -> Iterator[Copying]:
    """Shows how many pages are copied, and then that they are checked."""
    from badge_bridge.terminal_progress import progress

    with progress("looking at it") as bar:
        began = False

        def copying(done: int, of: int) -> None:
            nonlocal began
            if done >= of:
                bar.begin("checking")
            elif not began:
                began = True
                bar.begin("copying", of)
            else:
                bar.at(done, of)

        yield copying


@contextmanager
def _stoppable() -> Iterator[Stopping]:
    """Whether Ctrl-C or SIGTERM has come, which then end the command once nothing half done is left."""
    from badge_bridge.store.sqlite.contents import Stopped

    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    try:
        yield lambda: bool(came)
    except Stopped:
        sys.exit(128 + came[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _facts(file: Path, found: Contents) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "schema": found.schema, "events": dict(found.events)}


def _in_words(said: Mapping[str, Any]) -> str:
    states = ", ".join(f"{count:,} {state}" for state, count in said["events"].items())
    total = sum(said["events"].values())
    events = f"{counted(total, 'event')}{f' ({states})' if states else ''}"
    return f"{events}, {said['bytes'] / 1e6:,.1f} MB, schema {said['schema']}"
