"""Urlencoded parameters as PHP reads and writes them: `fields[badgeCode]=x&values[]=a` are nested maps and lists.

The real portal is written in PHP, so bracketed keys, last-one-wins and lists out of `[]` are part of its contract
(Bitrix24 docs, "Data encoding").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

__all__ = ["build_form", "parse_form"]

_MAX_FIELDS = 1000
_MAX_DEPTH = 64
"""PHP's own limits (`max_input_vars`, `max_input_nesting_level`); what is beyond them is left out, as PHP does."""

_BRACKETS = re.compile(r"\[([^\]]*)\]")


def parse_form(text: str) -> dict[str, Any]:
    """Read an urlencoded body or query string. All values are texts.

    A map whose keys are 0, 1, 2, ... becomes a list, which is how PHP's arrays look in JSON.
    """
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, errors="replace")[:_MAX_FIELDS]:
        path = _path(name)
        if path and len(path) <= _MAX_DEPTH:
            _put(tree, path, value)
    return {key: _as_list(value) for key, value in tree.items()}


def _path(name: str) -> list[str]:
    """`a[b][]` -> ["a", "b", ""]. PHP turns blanks and dots of the outer name into underscores."""
    outer, bracket, rest = name.partition("[")
    outer = outer.strip().replace(".", "_").replace(" ", "_")
    return [outer, *_BRACKETS.findall(bracket + rest)] if outer else []


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    node = tree
    for part in path[:-1]:
        key = part or _next_index(node)
        below = node.get(key)
        if not isinstance(below, dict):
            below = node[key] = {}
        node = below
    node[path[-1] or _next_index(node)] = value


def _next_index(node: dict[str, Any]) -> str:
    return str(max((int(key) for key in node if key.isdecimal()), default=-1) + 1)


def _as_list(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    below = {key: _as_list(value) for key, value in node.items()}
    return list(below.values()) if list(below) == [str(index) for index in range(len(below))] else below


def build_form(fields: Mapping[str, Any]) -> str:
    """The urlencoded form of nested fields, as `http_build_query` of PHP writes it.

    Booleans become 1 and 0; what is None or an empty map or list is left out.
    """
    return urlencode(list(_pairs("", fields)))


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(f"{name}[{key}]" if name else str(key), inner)
    elif isinstance(value, list | tuple):
        yield from _pairs(name, dict(enumerate(value)))
    elif value is not None:
        yield name, str(int(value)) if isinstance(value, bool) else str(value)
