"""What `sign` and `explain` share: the options of a made-up call, and the sources as a running bridge has them."""

from __future__ import annotations

import base64
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge.cli_options import missing_store, opened_store
from badge_bridge.errors import SettingsError

if TYPE_CHECKING:
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.sources.base import SampleCall, Source
    from badge_bridge.store.protocol import Store

__all__ = [
    "BodyOption",
    "CallerOption",
    "KeyFileOption",
    "LineOption",
    "Outcome",
    "OutcomeOption",
    "key_in",
    "made_up_call",
    "sources_at_work",
]

_KEY_SIZE = 32
"""Bytes of an Ed25519 private key."""


class Outcome(StrEnum):
    missed = "missed"
    answered = "answered"


OutcomeOption = Annotated[Outcome, typer.Option(help="How the made-up call ends.")]
CallerOption = Annotated[str, typer.Option(help="Who makes the made-up call.")]
LineOption = Annotated[str, typer.Option(help="The number that is called.")]
BodyOption = Annotated[
    Path | None,
    typer.Option(
        help="A file with the body to send, or - for standard input: for generic and cloudevents.", show_default=False
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        help="A file with a private key for trying, made where it is missing: for what is checked by a public key.",
        show_default=False,
    ),
]


def made_up_call(
    *, outcome: Outcome, now: float, caller: str, line: str, body: Path | None, key_file: Path | None, call: str = ""
) -> SampleCall:
    """The call that the options tell of."""
    from badge_bridge.signing import made_up

    return made_up(
        outcome=outcome.value,
        now=now,
        caller=caller,
        line=line,
        call=call,
        body=_content(body) if body else b"",
        private_key=key_in(key_file) if key_file else b"",
    )


@asynccontextmanager
async def sources_at_work(
    rules: RulesFile, settings: Settings
) -> AsyncIterator[tuple[dict[str, Source[Any]], Store | None]]:
    """The sources, with the tokens that an installation has left in the store; and the store, where there is one."""
    from badge_bridge.access import tokens_of
    from badge_bridge.sources import build_all

    async with AsyncExitStack() as stack:
        sources = build_all(rules.sources)
        store = None if missing_store(settings) else await stack.enter_async_context(opened_store(settings))
        late = [source for source in sources.values() if source.late_secrets]
        if store is not None and late and settings.encryption_keys:
            tokens = tokens_of(rules, store=store, keys=settings.encryption_keys, clock=time.time)
            for source in late:
                source.offer_secrets(await tokens.tokens(rules.portal_of[source.name]))
        yield sources, store


def key_in(path: Path) -> bytes:
    """The private key in a file; a new one where there is no file yet.

    Raises:
        SettingsError: something else stands there.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _read_key(path)
    except OSError as error:
        raise SettingsError(f"--key-file {path}: {error.strerror}") from error
    key = secrets.token_bytes(_KEY_SIZE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
    return key


def _read_key(path: Path) -> bytes:
    try:
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except OSError as error:
        raise SettingsError(f"--key-file {path}: {error.strerror}") from error
    except ValueError:
        key = b""
    if len(key) != _KEY_SIZE:
        raise SettingsError(f"--key-file {path} has no private key, the base64 of {_KEY_SIZE} bytes; name a new file")
    return key


def _content(file: Path) -> bytes:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise SettingsError(f"--body {file}: {error.strerror}") from error
    if not content:
        raise SettingsError(f"--body {file} is empty")
    return content
