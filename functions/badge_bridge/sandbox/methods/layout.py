"""The layout of a configurable activity, checked as strictly as the portal does (Bitrix24 docs, "LayoutDto").

`check_layout` gives back the layout as `crm.activity.configurable.get` shows it: real booleans where "Y" or "false"
came in, and strings for the numbers in `actionParams`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import read_bool, read_id
from badge_bridge.sandbox.records import Records

__all__ = ["check_layout"]

Reader = Callable[[Records, str, Any], Any]
"""Reads what stands at a path of a layout, or raises `Refusal`."""

_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class _Required:
    read: Reader


def check_layout(records: Records, layout: Mapping[str, Any]) -> dict[str, Any]:
    """The layout, normalised.

    Raises:
        Refusal: the first thing that is wrong, with its code and its path.
    """
    checked: dict[str, Any] = _LAYOUT(records, "layout", layout)
    return checked


def _wrong(path: str, what: str) -> Refusal:
    return Refusal("WRONG_FIELD_VALUE", f"Wrong value of the field {path}: {what}")


def _map(path: str, value: Any) -> Mapping[str, Any]:
    """A map. PHP has one type for both, so an empty list is an empty map."""
    if isinstance(value, Mapping):
        return value
    if value == []:
        return {}
    raise _wrong(path, "a map is expected")


def _object(**keys: Reader | _Required) -> Reader:
    """A map with these keys and no others."""

    def read(records: Records, path: str, value: Any) -> dict[str, Any]:
        given = _map(path, value)
        for key, reader in keys.items():
            if isinstance(reader, _Required) and given.get(key) in (None, "", [], {}):
                raise Refusal("FIELD_IS_REQUIRED", f"The field {path}.{key} is required")
        for key in given:
            if key not in keys:
                raise Refusal("FIELD_IS_REDUNDANT", f"The field {path}.{key} is redundant")
        return {
            key: (reader.read if isinstance(reader, _Required) else reader)(records, f"{path}.{key}", given[key])
            for key, reader in keys.items()
            if given.get(key) is not None
        }

    return read


def _collection(read_one: Reader, most: int | None = None) -> Reader:
    """A map with keys of the application's own choice."""

    def read(records: Records, path: str, value: Any) -> dict[str, Any]:
        given = _map(path, value)
        for key in given:
            if not _KEY.fullmatch(key):
                raise Refusal(
                    "KEY_CONTAIN_WRONG_SYMBOLS", f"The key {key} of {path} has characters that are not allowed"
                )
        if most is not None and len(given) > most:
            raise Refusal("TOO_MANY_ITEMS", f"{path} has more than {most} items")
        return {key: read_one(records, f"{path}.{key}", one) for key, one in given.items()}

    return read


def _string(_records: Records, path: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _wrong(path, "a text is expected")


def _text(records: Records, path: str, value: Any) -> Any:
    """A text, or texts by language; here a language that is not installed is an error, not passed over."""
    if not isinstance(value, Mapping):
        return _string(records, path, value)
    for language in value:
        if language not in records.languages:
            raise Refusal("WRONG_LANG", f"The language {language} of {path} is not installed")
    return {language: _string(records, f"{path}.{language}", text) for language, text in value.items()}


def _bool(_records: Records, path: str, value: Any) -> bool:
    read = read_bool(value)
    if read is None:
        raise _wrong(path, "Y or N is expected")
    return bool(read)


def _whole(_records: Records, path: str, value: Any) -> int:
    number = read_id(value)
    if number is None:
        raise _wrong(path, "a whole number is expected")
    return number


def _one_of(*values: str) -> Reader:
    def read(_records: Records, path: str, value: Any) -> str:
        if value not in values:
            raise Refusal("ENUM_FIELD", f"The field {path} is none of {', '.join(values)}")
        return str(value)

    return read


def _picture(kind: str) -> Reader:
    def read(records: Records, path: str, value: Any) -> str:
        known = records.icons if kind == "icon" else records.logos
        if value not in known:
            records.meet("unknown_picture")
            if records.variants.unknown_picture == "refused":
                raise Refusal("ENUM_FIELD", f"The field {path} is no code of the list of {kind}s")
        return _string(records, path, value)

    return read


def _by_type(kinds: Mapping[str, Reader]) -> Reader:
    """An object whose `type` decides which keys it has."""

    def read(records: Records, path: str, value: Any) -> dict[str, Any]:
        kind = _map(path, value).get("type")
        if kind in (None, ""):
            raise Refusal("FIELD_IS_REQUIRED", f"The field {path}.type is required")
        if not isinstance(kind, str) or kind not in kinds:
            raise Refusal("ENUM_FIELD", f"The field {path}.type is none of {', '.join(kinds)}")
        read_kind: dict[str, Any] = kinds[kind](records, path, value)
        return read_kind

    return read


def _uri(records: Records, path: str, value: Any) -> str:
    uri = _string(records, path, value)
    if uri.lower().startswith("tel:"):
        records.meet("tel_links")
        if records.variants.tel_links == "refused":
            raise _wrong(path, "this scheme is not allowed")
    return uri


def _params(_records: Records, path: str, value: Any) -> dict[str, Any]:
    return {key: _as_text(inner) for key, inner in _map(path, value).items()}


def _as_text(value: Any) -> Any:
    """Numbers come back as strings (Bitrix24 docs, the sample of "crm.activity.configurable.get")."""
    if isinstance(value, Mapping):
        return {key: _as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_text(inner) for inner in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _slider(records: Records, path: str, value: Any) -> dict[str, Any]:
    if {"width", "leftBoundary"} <= _map(path, value).keys():
        raise _wrong(path, "width and leftBoundary exclude each other")
    read: dict[str, Any] = _object(width=_whole, leftBoundary=_whole, title=_string)(records, path, value)
    return read


def _blocks(records: Records, path: str, value: Any) -> dict[str, Any]:
    if not _map(path, value):
        records.meet("empty_blocks")
        if records.variants.empty_blocks == "refused":
            raise _wrong(path, "at least one block is expected")
    read: dict[str, Any] = _collection(_BLOCK, most=20)(records, path, value)
    return read


def _inner_block(records: Records, path: str, value: Any) -> dict[str, Any]:
    """A block inside another: only the small ones."""
    if _map(path, value).get("type") in {"largeText", "withTitle", "lineOfBlocks"}:
        raise _wrong(path, "a block of this type can not stand inside another")
    read: dict[str, Any] = _BLOCK(records, path, value)
    return read


def _block(**properties: Reader | _Required) -> Reader:
    return _object(type=_Required(_string), properties=_Required(_object(**properties)))


_TYPE = _Required(_string)
_SCOPE = _one_of("web", "mobile")
_ACTION = _by_type(
    {
        "redirect": _object(type=_TYPE, uri=_Required(_uri)),
        "restEvent": _object(
            type=_TYPE, id=_Required(_string), actionParams=_params, animationType=_one_of("disable", "loader")
        ),
        "openRestApp": _object(type=_TYPE, actionParams=_params, sliderParams=_slider),
    }
)
_BLOCK = _by_type(
    {
        "text": _block(
            value=_Required(_text),
            multiline=_bool,
            title=_text,
            bold=_bool,
            size=_one_of("xs", "sm", "md"),
            color=_one_of("base_50", "base_60", "base_70", "base_90"),
            scope=_SCOPE,
        ),
        "largeText": _block(value=_Required(_text), scope=_SCOPE),
        "link": _block(text=_Required(_text), action=_Required(_ACTION), bold=_bool, scope=_SCOPE),
        "withTitle": _block(title=_Required(_text), block=_Required(_inner_block), inline=_bool, scope=_SCOPE),
        "lineOfBlocks": _block(blocks=_Required(_collection(_inner_block)), scope=_SCOPE),
        "deadline": _object(type=_TYPE, properties=_object(readonly=_bool, scope=_SCOPE)),
    }
)
_TAG = _object(
    title=_Required(_text),
    type=_Required(_one_of("success", "failure", "warning", "primary", "secondary")),
    action=_ACTION,
    scope=_SCOPE,
    hideIfReadonly=_bool,
)
_BUTTON = _object(
    title=_Required(_text),
    type=_Required(_one_of("primary", "secondary")),
    action=_Required(_ACTION),
    scope=_SCOPE,
    hideIfReadonly=_bool,
)
_MENU = _object(
    showPinItem=_bool,
    showPostponeItem=_bool,
    showDeleteItem=_bool,
    items=_collection(_object(title=_Required(_text), action=_Required(_ACTION), scope=_SCOPE, hideIfReadonly=_bool)),
)
_LAYOUT = _object(
    icon=_Required(_object(code=_Required(_picture("icon")))),
    header=_Required(_object(title=_Required(_text), titleAction=_ACTION, tags=_collection(_TAG, most=2))),
    body=_Required(_object(logo=_Required(_object(code=_Required(_picture("logo")), action=_ACTION)), blocks=_blocks)),
    footer=_object(buttons=_collection(_BUTTON, most=2), menu=_MENU),
)
