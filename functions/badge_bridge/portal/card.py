"""The layout of our activities: what a card's timeline says about a missed call, or whatever else a rule attaches.

    icon   <title>
    logo   <the rule's text>
           Caller  +49 30 ...
           Line    +49 30 ...
           Time    2026-08-21 12:03 UTC
           Reason  no answer
           [Call back]

The captions are in the languages of the title, and in no other: which ones the portal has is known to whoever wrote the
title, and a single one that it does not have refuses the whole layout (Bitrix24 docs, "crm.activity.configurable").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from badge_bridge.portal.layout import (
    Block,
    Body,
    Button,
    Footer,
    Header,
    Icon,
    Layout,
    Logo,
    Redirect,
    Text,
    TextBlock,
    TextProperties,
    WithTitle,
    WithTitleProperties,
)
from badge_bridge.portal.phone_variants import E164

__all__ = ["Facts", "build_layout"]

_Caption = Literal["caller", "line", "time", "reason", "call back"]

_CAPTIONS: Mapping[str, Mapping[_Caption, str]] = MappingProxyType(
    {
        "en": {"caller": "Caller", "line": "Line", "time": "Time", "reason": "Reason", "call back": "Call back"},
        "de": {"caller": "Anrufer", "line": "Leitung", "time": "Zeit", "reason": "Grund", "call back": "Zurückrufen"},
        "fr": {"caller": "Appelant", "line": "Ligne", "time": "Heure", "reason": "Motif", "call back": "Rappeler"},
        "la": {"caller": "Llamante", "line": "Línea", "time": "Hora", "reason": "Motivo", "call back": "Llamar"},
        "br": {"caller": "Chamador", "line": "Linha", "time": "Hora", "reason": "Motivo", "call back": "Retornar"},
        "it": {"caller": "Chiamante", "line": "Linea", "time": "Ora", "reason": "Motivo", "call back": "Richiama"},
        "pl": {"caller": "Dzwoniący", "line": "Linia", "time": "Czas", "reason": "Powód", "call back": "Oddzwoń"},
        "ru": {"caller": "Звонил", "line": "Линия", "time": "Время", "reason": "Причина", "call back": "Перезвонить"},
        "ua": {"caller": "Дзвонив", "line": "Лінія", "time": "Час", "reason": "Причина", "call back": "Передзвонити"},
    }
)
"""By the portal's codes of languages, of which `la` is Spanish, `br` Portuguese and `ua` Ukrainian."""

_NO_TITLE = "\N{EN DASH}"
"""For a title whose fields are all empty: the portal takes none without a text."""

Written = str | Mapping[str, str]
"""One text, or texts by language."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card shows of an event beside the rule's own words; what is empty is left out."""

    time: datetime
    caller: str = ""
    line: str = ""
    reason: str = ""


def build_layout(
    *, title: Written, text: Written | None, facts: Facts, icon: str, logo: str, call_back: str = ""
) -> Layout:
    """The layout of an activity.

    `icon` and `logo` are codes of the portal (`crm.timeline.icon.list`, `crm.timeline.logo.list`). `call_back` is the
    number that a button calls; without one in E.164 there is no button.
    """
    heading = _shown(title) or _NO_TITLE
    shown: dict[_Caption, str] = {
        "caller": facts.caller,
        "line": facts.line,
        "time": facts.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "reason": facts.reason.replace("_", " "),
    }
    message = _shown(text) if text is not None else None
    blocks: dict[str, Block] = {"message": _paragraph(message)} if message else {}
    blocks |= {
        name: WithTitle(properties=WithTitleProperties(title=_caption(name, heading), block=_paragraph(value)))
        for name, value in shown.items()
        if value.strip()
    }
    return Layout(
        icon=Icon(code=icon),
        header=Header(title=heading),
        body=Body(logo=Logo(code=logo), blocks=blocks),
        footer=_call_back(call_back, heading) if E164.fullmatch(call_back) else None,
    )


def _call_back(number: str, heading: Text) -> Footer:
    # The only `tel:` in a layout: whether the portal takes it is not documented, and this can be left out as a whole.
    action = Redirect(uri=f"tel:{number}")
    return Footer(buttons={"callBack": Button(title=_caption("call back", heading), type="primary", action=action)})


def _shown(text: Written) -> Text | None:
    """The text without what is blank; None where nothing is left."""
    if isinstance(text, str):
        return text.strip() or None
    return {language: words.strip() for language, words in text.items() if words.strip()} or None


def _paragraph(text: Text) -> TextBlock:
    lines = text if isinstance(text, str) else "".join(text.values())
    return TextBlock(properties=TextProperties(value=text, multiline="true" if "\n" in lines else None))


def _caption(name: _Caption, heading: Text) -> Text:
    """A caption in those languages of the heading that we have words for, else in English."""
    languages = [] if isinstance(heading, str) else [language for language in heading if language in _CAPTIONS]
    return {language: _CAPTIONS[language][name] for language in languages} or _CAPTIONS["en"][name]
