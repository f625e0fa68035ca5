"""How events and what came of them are written down: JSON text, the same in every store.

Text that no encoding can carry (one half of a surrogate pair, which JSON lets a sender escape) is kept as U+FFFD, and
numbers that JSON does not have (NaN, infinity) as null. A NUL character is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from badge_bridge.events import Event
from badge_bridge.outcomes import Exchange, Outcome

__all__ = ["plain", "read_asked", "read_event", "read_outcomes", "write_asked", "write_event", "write_outcomes"]

_OUTCOMES = TypeAdapter(tuple[Outcome, ...])
_ASKED = TypeAdapter(tuple[Exchange, ...])
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """The text as a store can keep it: every lone surrogate becomes U+FFFD."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def write_event(event: Event) -> str:
    """The event as JSON text that `read_event` can read.

    Raises:
        ValueError: the data holds something that JSON cannot express, such as bytes.
    """
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
    return _OUTCOMES.validate_json(text)


def write_asked(asked: Iterable[Exchange]) -> str:
    return _write(_ASKED, tuple(asked))


def read_asked(text: str) -> tuple[Exchange, ...]:
    return _ASKED.validate_json(text)


def _write(adapter: TypeAdapter[Any], value: Any) -> str:
    try:
        return adapter.dump_json(value).decode()
    except PydanticSerializationError:
        return plain(json.dumps(adapter.dump_python(value, mode="json"), ensure_ascii=False))
