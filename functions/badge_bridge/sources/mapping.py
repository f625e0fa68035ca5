"""How the generic provider makes an event of a delivery: one CEL expression for each field.

Expressions read `body` (the parsed body), `headers` (names in lower case, without credentials), `query` and `received`
(unix seconds). They are compiled and checked when the rules file is loaded and evaluated when a delivery is received.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from badge_bridge.errors import Impossible
from badge_bridge.events import Direction
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import MAX_SECONDS

if TYPE_CHECKING:
    from badge_bridge.cel import Activation, EvaluationError, Program
    from badge_bridge.cel.parts import Part

__all__ = ["EventExpressions", "EventFields", "EventMapping", "EventReader", "empty_fields", "is_signed", "types_of"]

_VARIABLES = {"body": "map", "headers": "map", "query": "map", "received": "int"}
"""`received`, in whole seconds, is for senders that neither number nor time what they tell."""
_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie"})
_DIRECTIONS = frozenset(get_args(Direction))
_MILLISECONDS = 1e11
"""Unix times from here on are milliseconds: as seconds they would be after the year 5000."""
_MAX_NAME = 500
_WRITTEN = re.compile(r"""(?:'(?P<single>[^'\\\n]*)'|"(?P<double>[^"\\\n]*)")(?P<more>\s*\+.*)?""", re.DOTALL)
_FIELD = re.compile(r"\bbody\.(\w+(?:\.\w+(?![\w(]))*)")


@cache
def _engine() -> tuple[type[Activation], type[EvaluationError]]:
    from badge_bridge.cel import Activation, EvaluationError  # noqa: PLC0415 - loaded only where expressions are used

    return Activation, EvaluationError


def _compile(text: str, *names: str, returns: str = "dyn") -> Program:
    from badge_bridge.cel import CelType, compile_expression  # noqa: PLC0415 - loaded only where expressions are used

    variables = {name: CelType(kind) for name, kind in _VARIABLES.items() if not names or name in names}
    return compile_expression(text, variables, returns=CelType(returns))


def _check_any(text: str) -> str:
    _compile(text)
    return text


def _check_text(text: str) -> str:
    """Refuse an expression of which it is known that it gives something else than text."""
    _compile(text, returns="string")
    return text


def _check_text_or_number(text: str) -> str:
    """The same for what is text to us, and a whole number to some senders: ids and phone numbers."""
    from badge_bridge.cel import CelError  # noqa: PLC0415 - the same

    try:
        return _check_text(text)
    except CelError:
        with suppress(CelError):
            _compile(text, returns="int")
            return text
        raise


def is_signed(expression: str) -> bool:
    """Whether an expression reads nothing but the body, which is what a signature covers."""
    from badge_bridge.cel import CelError  # noqa: PLC0415 - the same

    try:
        _compile(expression, "body")
    except CelError:
        return False
    return True


AnyExpression = Annotated[str, AfterValidator(_check_any)]
TextExpression = Annotated[str, AfterValidator(_check_text)]
NumberExpression = Annotated[str, AfterValidator(_check_text_or_number)]


def types_of(expression: str) -> Sequence[str]:
    """What an expression for an event's type can give, as far as that is written in it: with `*` for the rest."""
    from badge_bridge.cel.parts import split  # noqa: PLC0415 - for those who ask what a rules file can do

    def given(part: Part) -> Iterator[str]:
        if part.operator == "?:":
            for one in part.parts[1:]:
                yield from given(one)
            return
        found = _WRITTEN.fullmatch(part.text)
        text = (found["single"] or found["double"] or "").lstrip() if found else ""
        yield f"{text}*" if not found or found["more"] else text.rstrip()

    return tuple(dict.fromkeys(given(split(expression))))


def empty_fields(mapping: EventExpressions) -> frozenset[str]:
    """The texts of an event that nothing is mapped to, nor to what they are taken from."""
    alone = {name for name in ("email", "reason", "direction") if getattr(mapping, name) is None}
    numbers = ("subject", "caller", "callee", "line")
    of_a_call = set(numbers) if all(getattr(mapping, name) is None for name in numbers) else set()
    return frozenset(alone | of_a_call)


class EventExpressions(BaseModel):
    """The expressions under `event:` for what an event says beside its type and its id."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    subject: NumberExpression | None = Field(
        default=None, description="CEL for whom it is about; by default the customer's phone number."
    )
    time: AnyExpression | None = Field(
        default=None,
        description="CEL for when it happened: RFC 3339 text or unix seconds or milliseconds; by default now.",
    )
    direction: TextExpression | None = Field(default=None, description="CEL for inbound, outbound or internal.")
    outcome: TextExpression | None = Field(default=None, description="CEL for how a call ended, such as missed.")
    reason: NumberExpression | None = Field(default=None, description="CEL for why.")
    caller: NumberExpression | None = Field(default=None, description="CEL for the caller's phone number.")
    callee: NumberExpression | None = Field(default=None, description="CEL for the called phone number.")
    line: NumberExpression | None = Field(default=None, description="CEL for our own phone number.")
    duration: AnyExpression | None = Field(default=None, description="CEL for the seconds of conversation.")
    email: TextExpression | None = Field(default=None, description="CEL for the customer's e-mail address.")


class EventMapping(EventExpressions):
    """All expressions under `event:`, where the sender has no type and no id of its own."""

    type: TextExpression = Field(description="CEL for the event's type, such as 'order.' + body.status; required.")
    id: NumberExpression | None = Field(default=None, description="CEL for the sender's own id of the event.")


class EventFields(NamedTuple):
    """What the expressions gave. Phone numbers are as received; what was not given is "" or None."""

    type: str = ""
    id: str = ""
    subject: str = ""
    time: datetime | None = None
    direction: Direction = ""
    outcome: str = ""
    reason: str = ""
    caller: str = ""
    callee: str = ""
    line: str = ""
    duration: int | None = None
    email: str = ""


class EventReader:
    """A compiled mapping."""

    def __init__(self, mapping: EventExpressions) -> None:
        expressions = mapping.model_dump(exclude_none=True)
        self._programs: list[tuple[str, Program, Callable[[Any], Any], bool]] = [
            (name, _compile(text), _CONVERT.get(name, _text_or_number), name in _REQUIRED)
            for name, text in expressions.items()
        ]
        self._text = " ".join(expressions.values())
        self._needs = frozenset(name for _, program, *_ in self._programs for name in program.reads)

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the body's fields that the expressions speak of."""
        return tuple(dict.fromkeys(_FIELD.findall(self._text)))

    def over(self, delivery: Delivery) -> Callable[[Mapping[str, Any]], EventFields]:
        """What evaluates the expressions over the parsed body of a delivery, or over one of several events in it.

        It raises Impossible where an expression gives an error, or a value that the field cannot have, naming it.
        """
        if not self._programs:
            return lambda _: EventFields()
        told: dict[str, Any] = {"received": int(delivery.received_at)}
        if "headers" in self._needs:
            told["headers"] = _headers(delivery)
        if "query" in self._needs:
            told["query"] = _query(delivery)
        return partial(self._read, told)

    def _read(self, told: Mapping[str, Any], body: Mapping[str, Any]) -> EventFields:
        activation, failure = _engine()
        values = activation({**told, "body": body})
        found: dict[str, Any] = {}
        for name, program, convert, required in self._programs:
            try:
                value = program.evaluate(values)
            except failure as error:
                if error.kind == "missing" and not required:
                    continue
                raise Impossible(error.message, field=f"event.{name}") from error
            if value is None and not required:
                continue
            try:
                found[name] = convert(value)
            except ValueError as error:
                raise Impossible(str(error), field=f"event.{name}") from error
        return EventFields(**found)


def _headers(delivery: Delivery) -> dict[str, str]:
    return {name: value for name, value in delivery.unambiguous().items() if name not in _CREDENTIALS}


def _query(delivery: Delivery) -> dict[str, Any]:
    return bodies.flat(bodies.query(delivery.query))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - all of these become one Impossible
    return value.strip()


def _text_or_number(value: Any) -> str:
    return str(value) if type(value) is int else _text(value)


def _type(value: Any) -> str:
    return check_type(_bounded(_text(value)), field="event.type")


def _id(value: Any) -> str:
    return _bounded(_text_or_number(value))


def _bounded(text: str) -> str:
    if not 0 < len(text) <= _MAX_NAME:
        raise ValueError(f"must have 1 to {_MAX_NAME} characters, it has {len(text)}")
    return text


def _direction(value: Any) -> str:
    text = _text(value)
    if text not in _DIRECTIONS:
        raise ValueError("must be inbound, outbound or internal")
    return text


def _seconds(value: Any) -> int:
    number = _number(value)
    if not 0 <= number <= MAX_SECONDS:
        raise ValueError("must be a number of seconds")
    return int(number)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
        return _rfc3339(value.strip())
    number = _number(value)
    try:
        return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS else number, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("is a time that no calendar has") from error


def _rfc3339(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            "must be RFC 3339 text such as 2026-01-31T12:00:00Z, or unix seconds or milliseconds"
        ) from error
    if moment.tzinfo is None:
        raise ValueError("must say its zone, such as 2026-01-31T12:00:00+01:00")
    return moment


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("must be a number")
    return number


_REQUIRED: Sequence[str] = ("type", "id")
"""Required where they are mapped at all: an event whose id is sometimes missing would sometimes be a duplicate."""

_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "type": _type,
    "id": _id,
    "time": _moment,
    "direction": _direction,
    "outcome": _text,
    "duration": _seconds,
    "email": _text,
}
