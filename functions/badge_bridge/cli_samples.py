"""What `sign` and `explain` share: the options of a made-up call, and the sources as a running bridge has them."""

from __future__ import annotations

import base64
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
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
    "content_of",
    "key_in",
    "made_up_call",
    "only_for",
    "sources_at_work",
]

_KEY_SIZE = 32
"""Bytes of an Ed25519 private key."""

_MOST_OF_A_KEY = 1000
"""Bytes that are read of a file with one."""


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
    """The call that the options tell of.

    Raises:
        SettingsError: a file is not what it should be.
    """
    from badge_bridge.signing import made_up

    for option, text in (("caller", caller), ("line", line), ("call", call)):
        # Bytes of the command line that are no UTF-8 are halves of surrogate pairs.
        if text.encode("utf-8", "replace").decode() != text:
            raise SettingsError(f"--{option} is no UTF-8")
    return made_up(
        outcome=outcome.value,
        now=now,
        caller=caller,
        line=line,
        call=call,
        body=_body_in(str(body)) if body else b"",
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
    """The private key in a file; a new one where there is no file yet, whose public key is told.

    Raises:
        SettingsError: something else stands there.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _read_key(path)
    except OSError as error:
        raise SettingsError(f"--key-file {path}: {error.strerror}") from error
    from badge_bridge.sources.signatures import BASE64, Ed25519
    from badge_bridge.sources.standard_webhooks import written_public_key

    key = secrets.token_bytes(_KEY_SIZE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
    public = Ed25519.public_key(key)
    print(
        f"{path} is new, a private key for trying. Its public key, for secrets: {BASE64.encode(public)}, or "
        f"{written_public_key(public)} as Standard Webhooks write it",
        file=sys.stderr,
    )
    return key


def _read_key(path: Path) -> bytes:
    try:
        key = base64.b64decode(content_of(str(path), _MOST_OF_A_KEY).strip(), validate=True)
    except OSError as error:
        raise SettingsError(f"--key-file {path}: {error.strerror}") from error
    except ValueError:
        key = b""
    if len(key) != _KEY_SIZE:
        raise SettingsError(f"--key-file {path} has no private key, the base64 of {_KEY_SIZE} bytes; name a new file")
    return key


def content_of(file: str, most: int) -> bytes:
    """What a file or, for -, standard input has; of a longer one, one byte more than `most`.

    Raises:
        OSError: it cannot be read.
    """
    if file == "-" and sys.stdin is None:
        raise OSError("standard input is closed")
    with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
        return stream.read(most + 1)


def _body_in(file: str) -> bytes:
    from badge_bridge.sources.base import Source

    try:
        content = content_of(file, Source.max_body)
    except OSError as error:
        raise SettingsError(f"--body {file}: {error.strerror or error}") from error
    if not content:
        raise SettingsError(f"--body {file} is empty")
    if len(content) > Source.max_body:
        raise SettingsError(f"--body {file} has more than {Source.max_body:,} bytes; no source takes that")
    return content


def only_for(what: str, context: typer.Context, names: Sequence[str]) -> None:
    """Refuse options that were written and would do nothing.

    Raises:
        SettingsError: names the first of them.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise SettingsError(f"--{name.replace('_', '-')} is for {what}; leave it out")
