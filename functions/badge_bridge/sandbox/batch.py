"""What a `batch` holds: commands as texts, and references from one to the results of those before it.

    {"halt": 0, "cmd": {"who": "profile", "badge": "crm.activity.badge.get?code=$result[who][NAME]"}}

A command is a method and a query string with PHP brackets, whatever the form of the request around it; its values are
percent-encoded once more inside (Bitrix24 docs, "batch", "Data encoding"). `cmd` may also be a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.phpform import parse_form

__all__ = ["MAX_COMMANDS", "Command", "php_array", "read_commands", "resolve", "stops_at_error"]

MAX_COMMANDS = 50

_REFERENCE = re.compile(r"\$result((?:\[[^\[\]]*\])+)")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `method` is in lower case, and empty where the command was no text."""

    key: str
    method: str
    params: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"method": self.method, "params": self.params}


def read_commands(params: Mapping[str, Any]) -> list[Command]:
    """The commands in their order, however many.

    Raises:
        Refusal: there is no `cmd`, or it is neither a map nor a list.
    """
    commands = _named(params, "cmd")
    if isinstance(commands, list):
        commands = dict(enumerate(commands))
    if not isinstance(commands, dict):
        raise Refusal("100", "Could not find value for parameter {cmd}")
    return [_read_command(str(key), text) for key, text in commands.items()]


def stops_at_error(params: Mapping[str, Any]) -> bool:
    """What `halt` says: 1 and true, also as texts; anything else goes on."""
    return str(_named(params, "halt")).lower() in ("1", "true")


def _named(params: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in params.items() if key.lower() == name), None)


def _read_command(key: str, text: Any) -> Command:
    if not isinstance(text, str):
        return Command(key, "", {})
    method, _, query = text.partition("?")
    # A token in a command is not looked at, so it need not reach the log either.
    params = {name: value for name, value in parse_form(query).items() if name.lower() != "auth"}
    return Command(key, method.strip().strip("/").lower().removesuffix(".json"), params)


def resolve(value: Any, results: Mapping[str, Any]) -> Any:
    """Put results in the place of references.

    A text that is nothing but a reference becomes the result itself, whatever it is; inside a longer text only what is
    a single value can stand. A reference to what is not there stays as it is.
    """
    if isinstance(value, dict):
        return {key: resolve(inner, results) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, results) for inner in value]
    if not isinstance(value, str) or "$result[" not in value:
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        found = _look_up(whole, results)
        return value if found is _MISSING else found
    return _REFERENCE.sub(lambda reference: _inside(reference, results), value)


def _inside(reference: re.Match[str], results: Mapping[str, Any]) -> str:
    found = _look_up(reference, results)
    if isinstance(found, bool):
        return "1" if found else ""
    return str(found) if isinstance(found, str | int | float) else reference[0]


def _look_up(reference: re.Match[str], results: Mapping[str, Any]) -> Any:
    found: Any = results
    for step in _STEP.findall(reference[1]):
        if isinstance(found, list):
            found = dict(enumerate(found))
            step = int(step) if step.isdecimal() and len(step) < 10 else step  # noqa: PLW2901 - a list counts by numbers
        if not isinstance(found, Mapping) or step not in found:
            return _MISSING
        found = found[step]
    return found


def php_array(entries: Mapping[str, Any]) -> dict[str, Any] | list[Any]:
    """The JSON that PHP makes of an array: a list where it is empty or its keys are 0, 1, 2, ..., else an object."""
    if list(entries) == [str(index) for index in range(len(entries))]:
        return list(entries.values())
    return dict(entries)
