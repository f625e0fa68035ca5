"""Firestore's values as REST has them (Firestore REST reference, "Value"): one key that names the type.

Held against the official client by a test.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["read_fields", "write_fields"]


def write_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _write(value) for name, value in fields.items()}


def read_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _read(value) for name, value in fields.items()}


def _write(value: Any) -> dict[str, Any]:  # noqa: PLR0911 - one type after the other
    match value:
        case None:
            return {"nullValue": None}
        case bool():
            return {"booleanValue": value}
        case int():
            return {"integerValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode()}
        case datetime():
            return {"timestampValue": value.astimezone(UTC).isoformat().replace("+00:00", "Z")}
        case list():
            return {"arrayValue": {"values": [_write(item) for item in value]}}
        case dict():
            return {"mapValue": {"fields": write_fields(value)}}
    raise TypeError(f"Firestore has no value for {type(value).__name__}")


def _read(value: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one type after the other
    match value:
        case {"integerValue": number}:
            return int(number)
        case {"doubleValue": number}:
            return float(number)
        case {"bytesValue": text}:
            return base64.b64decode(text)
        case {"arrayValue": array}:
            return [_read(item) for item in array.get("values", ())]
        case {"mapValue": map_}:
            return read_fields(map_.get("fields", {}))
        case {"nullValue": _}:
            return None
    # Text, truth, and times as text, which nobody here asks for.
    return next(iter(value.values()))
