"""How events and what came of them are written down: JSON text, the same in every store.

Text that no encoding can carry (one half of a surrogate pair, which JSON lets a sender escape) is kept as U+FFFD, and
numbers that JSON does not have (NaN, infinity) as null. A NUL character is kept.

What was written by another version may be more than this one understands. The readers say so with `Unreadable`, and
the stores set such an event aside, so that it does not hold up the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from badge_bridge.events import Event
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.protocol import Attachment, Redrive

__all__ = [
    "Unreadable",
    "plain",
    "plain_attachment",
    "read_asked",
    "read_event",
    "read_outcomes",
    "readable",
    "readable_outcomes",
    "says_the_same",
    "show_asked",
    "show_event",
    "show_outcomes",
    "show_redrive",
    "write_asked",
    "write_event",
    "write_outcomes",
    "write_redrive",
]

T = TypeVar("T")

_OUTCOMES = TypeAdapter(tuple[Outcome, ...])
_ASKED = TypeAdapter(tuple[Exchange, ...])
_REDRIVE = TypeAdapter(Redrive)
_SURELY_READ = 4000
"""Characters. What cannot be read is an integer of more digits than that (Python ends at 4,300), or nested too deeply;
or a leg, whose numbers may be what JSON does not have."""
_MOST_BRACKETS = 100
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Unreadable(ValueError):
    """This version cannot read what is stored. The message says what and why, and quotes none of it."""


def plain(text: str) -> str:
    """The text as a store can keep it: every lone surrogate becomes U+FFFD."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def plain_attachment(attachment: Attachment) -> Attachment:
    """The row of the ledger as a store can keep it."""
    return replace(
        attachment,
        key=plain(attachment.key),
        rule=plain(attachment.rule),
        portal=plain(attachment.portal),
        badge=plain(attachment.badge),
        join=plain(attachment.join),
        content=plain(attachment.content),
        customer=plain(attachment.customer),
    )


def write_event(event: Event) -> str:
    """The event as JSON text that `read_event` can read, which is tried out where it is not plain to see.

    Raises:
        ValueError: the data holds something that JSON cannot express, such as bytes, or could not be read again.
    """
    text = _write_event(event)
    if event.leg is None and len(text) < _SURELY_READ and text.count("{") + text.count("[") < _MOST_BRACKETS:
        return text
    try:
        _read_event(text)
    except Exception as error:
        raise ValueError(f"the event could not be read again once it is written: {_why(error)}") from error
    return text


def _write_event(event: Event) -> str:
    try:
        text = event.model_dump_json()
    except ValueError:  # text that cannot be encoded, or nested deeper than pydantic writes (255 levels)
        text = ""
    # pydantic refuses a lone surrogate in a value, and writes one in a key as three U+FFFD.
    if text and "\ufffd" not in text:
        return text
    fields = event.model_dump(mode="json", exclude={"data"})
    try:
        data = json.loads(json.dumps(event.data), parse_constant=lambda _: None)
        return plain(json.dumps({**fields, "data": data}, ensure_ascii=False))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the event's data cannot be written as JSON: {error}") from error


def read_event(text: str) -> Event:
    """The event that `write_event` has written.

    Raises:
        Unreadable: this version cannot read it.
    """
    return _read(_read_event, text, "event")


def readable(rows: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Event]]:
    """Keys with their events, without those that this version cannot read."""
    for key, text in rows:
        try:
            yield key, read_event(text)
        except Unreadable:
            continue


def says_the_same(one: str, other: str) -> bool:
    """Whether two stored events differ at most in their data."""
    try:
        first, second = read_event(one), read_event(other)
    except Unreadable:
        return False
    return first.model_copy(update={"data": {}}) == second.model_copy(update={"data": {}})


def show_event(text: str, *, source: str, received_at: float) -> tuple[Event, str]:
    """The event for an operator, and why it cannot be read: then it is an event of the type `unreadable`."""
    try:
        return read_event(text), ""
    except Unreadable as error:
        moment = datetime.fromtimestamp(received_at, UTC)
        return Event(id="unreadable", source=source, provider="", type="unreadable", time=moment), str(error)


def _read_event(text: str) -> Event:
    try:
        return Event.model_validate_json(text)
    except ValidationError:  # nested deeper than pydantic reads (199 levels)
        return Event.model_validate(json.loads(text))


def write_outcomes(outcomes: Iterable[Outcome], *, attempt: int) -> str:
    """The outcomes of one attempt, each with that attempt's number."""
    return _write(
        _OUTCOMES,
        tuple(
            outcome if outcome.attempt == attempt else outcome.model_copy(update={"attempt": attempt})
            for outcome in outcomes
        ),
    )


def read_outcomes(text: str) -> tuple[Outcome, ...]:
    """The outcomes of one attempt.

    Raises:
        Unreadable: this version cannot read them.
    """
    return _read(_OUTCOMES.validate_json, text, "outcomes")


def readable_outcomes(texts: Iterable[str]) -> Iterator[Outcome]:
    """The outcomes of several attempts, without those that this version cannot read."""
    for text in texts:
        try:
            yield from read_outcomes(text)
        except Unreadable:
            continue


def show_outcomes(text: str, *, attempt: int) -> tuple[Outcome, ...]:
    """The outcomes of one attempt for an operator; where they cannot be read, one that says so."""
    try:
        return read_outcomes(text)
    except Unreadable as error:
        return (Outcome(rule="unreadable", result="failed", reason=str(error), attempt=attempt),)


def write_asked(asked: Iterable[Exchange]) -> str:
    return _write(_ASKED, tuple(asked))


def read_asked(text: str) -> tuple[Exchange, ...]:
    """What was asked in one attempt.

    Raises:
        Unreadable: this version cannot read it.
    """
    return _read(_ASKED.validate_json, text, "exchanges")


def show_asked(text: str) -> tuple[Exchange, ...]:
    """What was asked in one attempt for an operator; where it cannot be read, one exchange that says so."""
    try:
        return read_asked(text)
    except Unreadable as error:
        return (Exchange(method="unreadable", answer=str(error), milliseconds=0),)


def write_redrive(redrive: Redrive) -> str:
    return _write(_REDRIVE, replace(redrive, by=plain(redrive.by), rules=plain(redrive.rules)))


def show_redrive(text: str) -> Redrive | None:
    """That an event was let try again, for an operator; None where it was not, or it cannot be read."""
    try:
        return _REDRIVE.validate_json(text) if text else None
    except ValidationError:
        return None


def _read(read: Callable[[str], T], text: str, what: str) -> T:
    try:
        return read(text)
    except Exception as error:
        raise Unreadable(f"this version cannot read the stored {what}: {_why(error)}") from error


def _why(error: Exception) -> str:
    """The error without the values it is about: they are a customer's, and the reason goes into logs."""
    if not isinstance(error, ValidationError):
        return str(error) or type(error).__name__
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'as a whole'}: {one['msg']}" for one in found[:3])


def _write(adapter: TypeAdapter[Any], value: Any) -> str:
    try:
        return adapter.dump_json(value).decode()
    except PydanticSerializationError:
        return plain(json.dumps(adapter.dump_python(value, mode="json"), ensure_ascii=False))
