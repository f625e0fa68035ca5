"""Values on their way into the engine: an event as a typed message, everything else as a copy of plain JSON.

The engine ends the process with a segmentation fault on a dict that contains itself, and fails with a message that
quotes the value on a lone surrogate or an integer beyond 64 bits (cel-expr-python 0.1.3, by experiment). So nothing
reaches it that was not copied here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from badge_bridge.cel.errors import EvaluationError
from badge_bridge.events import Event

__all__ = ["EVENT_FIELDS", "EVENT_MESSAGE", "event_message", "event_schema", "json_copy"]

MAX_DEPTH = 64
"""Levels of untyped values. Providers nest a handful; the engine copies recursively."""

MAX_VALUES = 200_000
"""Untyped values in one variable. A body of 1 MiB holds fewer unless it is made to hurt."""

EVENT_FIELDS: Mapping[str, Literal["string", "timestamp", "integer or null", "map"]] = {
    "id": "string",
    "source": "string",
    "provider": "string",
    "type": "string",
    "subject": "string",
    "time": "timestamp",
    "direction": "string",
    "outcome": "string",
    "reason": "string",
    "caller": "string",
    "callee": "string",
    "line": "string",
    "duration": "integer or null",
    "email": "string",
    "data": "map",
}
"""The fields of an event in expressions. An unset text reads as '' and `has()` is false for it."""

EVENT_MESSAGE = "badge_bridge.Event"
"""The name of the message type."""

_TEXTS = tuple(name for name, kind in EVENT_FIELDS.items() if kind == "string")
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Schema:
    """The event as a protobuf message in a descriptor pool of its own."""

    pool: Any
    message: Any


@cache
def event_schema() -> Schema:
    """The message type, built at first use.

    Texts are proto3 optional, so that `has()` tells unset ones. A plain protobuf number reads as 0 where it is unset;
    the duration is a wrapper, which reads as null. `data` is no field of the message: see `program`.
    """
    from google.protobuf import (  # noqa: PLC0415 - costs 50 ms, only where an expression is used
        descriptor_pb2,
        descriptor_pool,
        message_factory,
        timestamp_pb2,
        wrappers_pb2,
    )

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="badge_bridge/event.proto", package="badge_bridge", syntax="proto3")
    message = file.message_type.add(name=EVENT_MESSAGE.rpartition(".")[2])
    messages = {
        "timestamp": timestamp_pb2.Timestamp.DESCRIPTOR,
        "integer or null": wrappers_pb2.Int64Value.DESCRIPTOR,
    }
    for number, (name, kind) in enumerate(EVENT_FIELDS.items(), start=1):
        if kind == "string":
            message.field.add(
                name=name,
                number=number,
                label=field.LABEL_OPTIONAL,
                type=field.TYPE_STRING,
                proto3_optional=True,
                oneof_index=len(message.oneof_decl),
            )
            message.oneof_decl.add(name=f"_{name}")
        elif kind in messages:
            full_name = f".{messages[kind].full_name}"
            message.field.add(
                name=name, number=number, label=field.LABEL_OPTIONAL, type=field.TYPE_MESSAGE, type_name=full_name
            )

    pool = descriptor_pool.DescriptorPool()
    for module in (timestamp_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        file.dependency.append(module.DESCRIPTOR.name)
    pool.AddSerializedFile(file.SerializeToString())
    return Schema(pool, message_factory.GetMessageClass(pool.FindMessageTypeByName(EVENT_MESSAGE)))


def event_message(event: Event) -> Any:
    """The event without its data. Only what is set is filled in, which is what `has()` sees."""
    texts = {name: _text(value) for name in _TEXTS if (value := getattr(event, name))}
    message = event_schema().message(**texts)
    message.time.FromDatetime(event.time)
    if event.duration is not None:
        message.duration.value = max(min(event.duration, _INT64[-1]), _INT64[0])
    return message


def json_copy(value: Any) -> Any:
    """A copy that the engine can take: JSON's types only, a tree, bounded in depth and size.

    Raises:
        EvaluationError: too deep, too large, or not JSON.
    """
    left = MAX_VALUES

    def copy(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > MAX_DEPTH or left < 0:
            raise EvaluationError("the data is nested too deeply or has too many values", kind="budget")
        if isinstance(value, str):
            return _text(value)
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            return value if value in _INT64 else _float(value)
        if isinstance(value, Mapping):
            return {_text(str(key)): copy(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [copy(item, depth + 1) for item in value]
        raise EvaluationError(f"the data holds a {type(value).__name__}, which is not JSON", kind="missing")

    return copy(value, 0)


def _float(value: int) -> float:
    """JSON knows no limit of numbers; the engine's integers end at 64 bits."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _text(value: str) -> str:
    """JSON may escape half of a surrogate pair, which UTF-8 cannot say; it becomes the replacement character."""
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
