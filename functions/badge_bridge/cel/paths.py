"""Expressions that only name a value, read without the engine: `body.id`, `'order.' + body.status`, `"shop"`.

Most of what maps a sender's fields to an event's is no more than that, and the engine takes ten times as long for it,
most of which goes into handing it the values. What is read here is what the engine would give; whatever it might judge
in another way (a key that is not there, text beyond ASCII, a fraction) is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

__all__ = ["ASK_THE_ENGINE", "PathReader", "path_reader"]

ASK_THE_ENGINE: Final = object()
"""Instead of a value: the engine has to say it, or why there is none."""

PathReader = Callable[[Mapping[str, Any]], Any]
"""Takes the values of the variables; gives text, a whole number, a boolean, or `ASK_THE_ENGINE`."""

_TERM = r"""'[^'\\\r\n]*'|"[^"\\\r\n]*"|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+"""
_SUM = re.compile(rf"\s*(?:{_TERM})(?:\s*\+\s*(?:{_TERM}))*\s*", re.ASCII)
_ONE = re.compile(_TERM, re.ASCII)
_INT64 = range(-(2**63), 2**63)

_Path = tuple[str, ...]


def path_reader(text: str, maps: Collection[str]) -> PathReader | None:
    """What reads the value of an expression that the engine has compiled, or None where it is more than a name.

    `maps` are the variables that hold maps; no other is read here.
    """
    if not _SUM.fullmatch(text):
        return None
    terms: list[str | _Path] = []
    for term in _ONE.findall(text):
        path = None if term[0] in "'\"" else tuple(term.split("."))
        if path is not None and path[0] not in maps:
            return None
        terms.append(path or term[1:-1])
    if len(terms) > 1:
        return lambda values: _joined(terms, values)
    only = terms[0]
    return (lambda _: only) if isinstance(only, str) else (lambda values: _found(only, values))


def _joined(terms: Sequence[str | _Path], values: Mapping[str, Any]) -> Any:
    parts = [term if type(term) is str else _found(term, values) for term in terms]
    return "".join(parts) if all(type(part) is str for part in parts) else ASK_THE_ENGINE


def _found(path: Sequence[str], values: Mapping[str, Any]) -> Any:
    value: Any = values
    for step in path:
        if type(value) is not dict or step not in value:
            return ASK_THE_ENGINE
        value = value[step]
    kind = type(value)
    known = value.isascii() if kind is str else kind is bool or (kind is int and value in _INT64)
    return value if known else ASK_THE_ENGINE
