"""The functions of an expression, as messages advise to write them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FUNCTIONS"]

FUNCTIONS: Mapping[str, str] = {
    "startsWith": "text.startsWith('+49')",
    "endsWith": "text.endsWith('00')",
    "contains": "text.contains('shop')",
    "matches": "text.matches('^[0-9]+$')",
    "size": "size(text) or size(values)",
    "has": "has(event.data.key)",
    "int": "int(value)",
    "uint": "uint(value)",
    "double": "double(value)",
    "string": "string(value)",
    "bool": "bool('true')",
    "bytes": "bytes(text)",
    "timestamp": "timestamp('2026-01-31T12:00:00Z')",
    "duration": "duration('90s')",
    "type": "type(value)",
    "dyn": "dyn(value)",
    "all": "values.all(x, x > 1)",
    "exists": "values.exists(x, x > 1)",
    "exists_one": "values.exists_one(x, x > 1)",
    "map": "values.map(x, x + 1)",
    "filter": "values.filter(x, x > 1)",
    "getFullYear": "event.time.getFullYear('Europe/Berlin')",
    "getMonth": "event.time.getMonth('Europe/Berlin')",
    "getDate": "event.time.getDate('Europe/Berlin')",
    "getDayOfMonth": "event.time.getDayOfMonth('Europe/Berlin')",
    "getDayOfWeek": "event.time.getDayOfWeek('Europe/Berlin')",
    "getDayOfYear": "event.time.getDayOfYear('Europe/Berlin')",
    "getHours": "event.time.getHours('Europe/Berlin')",
    "getMinutes": "event.time.getMinutes('Europe/Berlin')",
    "getSeconds": "event.time.getSeconds('Europe/Berlin')",
    "getMilliseconds": "event.time.getMilliseconds('Europe/Berlin')",
}
"""The functions of an expression, each with an example."""
