"""The wire form of `batch`: several commands in one request, each with an answer of its own.

A command is a query string inside JSON: it is not encoded as a whole, but its values are, once. What a query string
cannot say, or what the portal would read otherwise there, is not put into a batch: such a command is sent alone
(Bitrix24 docs, "Batch", "Data encoding").
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

__all__ = ["METHOD", "key_of", "phrase", "request", "share"]

METHOD = "batch"

_MOST_VALUES = 1000
_DEEPEST = 64
"""PHP reads so many values and so many levels of a query string, and leaves out the rest without a word
(`max_input_vars`, `max_input_nesting_level`)."""

_REFERENCE = "$result"
"""How a command refers to the result of an earlier one (Bitrix24 docs, "Batch"): a text of a customer that looks so
must not be filled in with what another command was answered."""


def key_of(number: int) -> str:
    """The key of a command in its batch. A word, since PHP makes lists of numbers, and objects of lists with gaps."""
    return f"c{number}"


def phrase(method: str, params: Mapping[str, Any]) -> str | None:
    """`method?a=1&b[c]=2&d[0]=x`; None where a query string cannot say these parameters."""
    try:
        pairs = [f"{name}={value}" for name, value in _pairs(params)]
    except ValueError:  # UnicodeEncodeError is one: half a surrogate pair, which JSON can say
        return None
    if len(pairs) > _MOST_VALUES:
        return None
    return f"{method}?{'&'.join(pairs)}" if pairs else method


def request(phrases: Sequence[str]) -> dict[str, Any]:
    """The parameters of a batch that goes on when a command fails: commands of different events share it."""
    return {"halt": 0, "cmd": {key_of(number): text for number, text in enumerate(phrases)}}


def share(result: Any, key: str) -> dict[str, Any] | None:
    """What the `result` of a batch says about one command, in the shape of an answer to this command alone.

    None where it says nothing. `result`, `result_error`, `result_total`, `result_next` and `result_time` are objects
    by key, or `[]` where they are empty.
    """
    errors, results = _part(result, "result_error"), _part(result, "result")
    if key in errors:
        said = errors[key]
        return dict(said) if isinstance(said, Mapping) else {"error": said}
    if key not in results:
        return None
    answer = {"result": results[key]}
    for part in ("total", "next", "time"):
        found = _part(result, f"result_{part}")
        if key in found:
            answer[part] = found[key]
    return answer


def _part(result: Any, name: str) -> Mapping[str, Any]:
    part = result.get(name) if isinstance(result, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if any(character in name for character in ". "):
            raise ValueError("PHP reads dots and blanks in the outermost name as underscores")
        yield from _below(_name(name), value, 1)


def _below(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _below(f"{name}[{_name(key)}]", inner, depth + 1)
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from _below(f"{name}[{index}]", inner, depth + 1)
    else:
        yield name, quote(_scalar(value), safe="")


def _name(key: Any) -> str:
    if not isinstance(key, str) or not key or "[" in key or "]" in key:
        raise ValueError("not a key of a query string")
    return quote(key, safe="")


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        if _REFERENCE in value.lower():
            raise ValueError("it may be read as a reference")
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise ValueError("null, an empty map or list, or nothing of JSON")
