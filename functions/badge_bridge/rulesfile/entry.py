"""What the models of a rules file are made of: strict entries, names, texts by language, one or several event types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

from badge_bridge.events import EXACT_TYPE

__all__ = [
    "PATTERNS",
    "Code",
    "Duration",
    "Entry",
    "EventTypes",
    "HostName",
    "Name",
    "SourceName",
    "Text",
    "not_blank",
    "one_or_several",
    "several",
]

_LANGUAGE = r"^[a-z]{2,3}([_-][A-Za-z]{2,4})?$"
_EVENT_TYPE = rf"^(?:{EXACT_TYPE}(?:\.?\*)?|\*)$"
_SOURCE = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
_CODE = r"^[A-Za-z0-9_.:-]{1,30}$"
_HOST = r"^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}(:[0-9]{1,5})?$"
_DURATION = r"^(keep|[1-9][0-9]{0,3} (days?|weeks?))$"

_NO_DURATION = (
    "this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"
)

PATTERNS: Mapping[str, str] = {
    _LANGUAGE: "this is no language code; write one such as en, de or br",
    _EVENT_TYPE: "this is no event type; write one such as call.missed, with * only at its end and no spaces",
    _SOURCE: "a source's name is part of a URL; write at most 63 small letters, digits, - and _",
    _NAME: "a name has at most 63 letters, digits, - and _; write it so",
    _CODE: "a badge's code has at most 30 letters, digits and the signs _ . : -; write it so",
    _HOST: "this is no host name; write one alone, such as acme.bitrix24.com, without https:// and without a path",
    _DURATION: _NO_DURATION,
}
"""The regular expressions of this module, each with its sentence."""


class Entry(BaseModel):
    """Anything in a rules file that holds keys: unknown ones are mistakes, and values are what they are written as."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _text_kind(value: Any) -> str | None:
    return "text" if isinstance(value, str) else "languages" if isinstance(value, dict) else None


def _one_or_several(value: Any) -> str | None:
    return "one" if isinstance(value, str) else "several" if isinstance(value, list | tuple) else None


def not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("this must not be empty; write a text")
    return value


_Words = Annotated[str, StringConstraints(min_length=1), AfterValidator(not_blank)]
_Language = Annotated[str, StringConstraints(pattern=_LANGUAGE)]

Text = Annotated[
    Annotated[_Words, Tag("text")] | Annotated[dict[_Language, _Words], Field(min_length=1), Tag("languages")],
    Discriminator(
        _text_kind,
        custom_error_type="text_or_languages",
        custom_error_message="this must be a text or texts by language; write 'Missed' or {en: Missed, de: Verpasst}",
    ),
]
"""A text, or texts by language code."""

_EventType = Annotated[str, StringConstraints(pattern=_EVENT_TYPE)]
SourceName = Annotated[str, StringConstraints(pattern=_SOURCE)]
Name = Annotated[str, StringConstraints(pattern=_NAME)]
Code = Annotated[str, StringConstraints(pattern=_CODE)]
HostName = Annotated[str, StringConstraints(pattern=_HOST), AfterValidator(str.lower)]


def _with_unit(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("a number alone does not say how long; write it in days or weeks, such as 90 days")  # noqa: TRY004 - pydantic hears of it as a ValueError
    raise ValueError(_NO_DURATION)


Duration = Annotated[str, BeforeValidator(_with_unit), StringConstraints(pattern=_DURATION)]
"""`90 days`, `1 week`, or `keep` for no end."""

one_or_several = Discriminator(
    _one_or_several,
    custom_error_type="one_or_several",
    custom_error_message="this must be a text or a list of texts; put quotes around a number",
)

EventTypes = Annotated[
    Annotated[_EventType, Tag("one")] | Annotated[tuple[_EventType, ...], Field(min_length=1), Tag("several")],
    one_or_several,
]
"""One event type or a list of them, with `*` at the end allowed."""


def several(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """What may be written as one text or as a list."""
    return (value,) if isinstance(value, str) else value
