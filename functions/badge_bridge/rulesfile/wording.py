"""What pydantic says about a rules file, in the words of someone who writes one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from badge_bridge.closeness import closest, suggest
from badge_bridge.rulesfile.document import Path
from badge_bridge.rulesfile.entry import PATTERNS

__all__ = ["explain", "missing_key", "unknown_key"]


def unknown_key(path: Path, known: Iterable[str]) -> str:
    """A key that is no word is not quoted: where a blank is missing behind a colon, the value is part of it."""
    key = str(path[-1])
    if not re.fullmatch(r"[\w.-]+", key):
        return f"this is no key; write one of {', '.join(known)}, with a colon and a blank behind it"
    return f"there is no key '{key}' here; {suggest(key, known)}"


def missing_key(path: Path, key: str) -> str:
    """A key that the value at a path must have: where that is in words, and what may be written."""
    kinds = {"portals": "portal", "sources": "source", "badges": "badge"}
    match path:
        case ():
            where = "this file"
        case (str(section), str(name)) if section in kinds:
            where = f"{kinds[section]} '{name}'"
        case ("rules", int(index)):
            where = f"rule {index + 1}"
        case _:
            where = next((f"'{part}'" for part in reversed(path) if isinstance(part, str)), "this file")
    in_badge = path[:1] == ("badges",)
    return f"'{key}' is missing in {where}; add {_OF_BADGES.get(key, '') if in_badge else _TO_ADD.get(key, f'{key}:')}"


_OF_BADGES: Mapping[str, str] = {
    "title": "title: with what it is about, such as Call status",
    "value": "value: with what it says, such as Missed",
    "type": "type: success, failure, warning, primary or secondary",
}
_TO_ADD: Mapping[str, str] = {
    "portals": "portals: with the portal below it",
    "sources": "sources: with the sources below it",
    "badges": "badges: with the badges below it",
    "rules": "rules: with the rules below it",
    "name": "name: with a name of your own",
    "on": "on: with a type of events, such as call.missed",
    "badge": "badge: with the name of a badge",
    "events": "events: 90 days",
    "secrets": 'secrets: ["${NAME}"]',
    "public_url": "public_url: with the address that the provider calls",
    "verify": "verify: {scheme: ...} with how the sender proves itself",
    "event": """event: {type: "'order.paid'", id: body.id} or what the body has""",
    "type": """type: "'order.paid'" or where the body has it""",
    "header": "header: with the name of the header that holds the signature",
    "field": "field: with where the body has the token",
    "rate": "rate: with how many requests a second are sent",
    "burst": "burst: with how many requests are sent at once",
}
"""By a key that some models need: what to write, with an example where one helps."""


def explain(detail: ErrorDetails, path: Path) -> str:
    """The sentence for one of pydantic's errors. The input is not quoted: it may be a secret."""
    name = next((f"'{part}'" for part in reversed(path) if isinstance(part, str)), "this file")
    if detail["type"] in _SENTENCES:
        return _SENTENCES[detail["type"]](name, {**detail.get("ctx", {}), "input": detail["input"]})
    if detail["type"] in _OWN_WORDS:
        return detail["msg"]
    message = re.sub(r"^(?:Input|Value|String|List|Tuple|Dictionary) should ", "must ", detail["msg"])
    return f"{name} {message[:1].lower()}{message[1:]}"


_OWN_WORDS = frozenset({"text_or_languages", "one_or_several", "limits"})


def _one_of(name: str, ctx: Mapping[str, Any]) -> str:
    close = closest(str(ctx["input"]), re.findall(r"'([^']*)'", str(ctx["expected"])))
    hint = f"did you mean '{close}'?" if close else "write one of these"
    return f"{name} must be {ctx['expected']}; {hint}"


def _unknown_tag(_: str, ctx: Mapping[str, Any]) -> str:
    what = str(ctx["discriminator"]).strip("'")
    known = re.findall(r"'([^']*)'", str(ctx["expected_tags"]))
    tag = str(ctx["tag"])
    return f"there is no {what} '{tag}'; {suggest(tag, known)}"


def _no_tag(name: str, ctx: Mapping[str, Any]) -> str:
    return f"{ctx['discriminator']} is missing in {name}; add {str(ctx['discriminator']).strip(chr(39))}:"


def _pattern(name: str, ctx: Mapping[str, Any]) -> str:
    return PATTERNS.get(str(ctx["pattern"]), f"{name} must match the pattern {ctx['pattern']}; correct it")


def _too_long(name: str, ctx: Mapping[str, Any]) -> str:
    return f"{name} has more than {ctx['max_length']} characters; shorten it"


def _not_mapping(name: str, _: Mapping[str, Any]) -> str:
    how = f"write {name[1:-1]}: {{}} for its defaults" if name in _ALL_DEFAULTS else "write them below it, indented"
    return f"{name} must hold keys and values; {how}"


_ALL_DEFAULTS = frozenset({"'attach'", "'clear'"})
"""What may be written without anything in it."""

_SENTENCES: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "string_type": lambda name, _: f"{name} must be a text; put quotes around it",
    "int_type": lambda name, _: f"{name} must be a whole number; write it without quotes",
    "int_from_float": lambda name, _: f"{name} must be a whole number; remove the decimals",
    "float_type": lambda name, _: f"{name} must be a number; write it without quotes",
    "bool_type": lambda name, _: f"{name} must be true or false; write one of these without quotes",
    "list_type": lambda name, _: f"{name} must be a list; write [a, b], or each below it after a dash",
    "tuple_type": lambda name, _: f"{name} must be a list; write [a, b], or each below it after a dash",
    "dict_type": _not_mapping,
    "model_type": _not_mapping,
    "model_attributes_type": _not_mapping,
    "string_too_short": lambda name, _: f"{name} must not be empty; fill it in",
    "too_short": lambda name, _: f"{name} must not be empty; add at least one",
    "string_too_long": _too_long,
    "literal_error": _one_of,
    "enum": _one_of,
    "union_tag_invalid": _unknown_tag,
    "union_tag_not_found": _no_tag,
    "string_pattern_mismatch": _pattern,
    "value_error": lambda _, ctx: str(ctx["error"]),
    "assertion_error": lambda _, ctx: str(ctx["error"]),
}
