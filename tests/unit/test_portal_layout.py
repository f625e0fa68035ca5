"""What an activity shows: the strict schema of the portal, and the layout that is made of an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from badge_bridge.portal.card import Facts, build_layout
from badge_bridge.portal.layout import Layout
from support.scripted_portal import sayable

TIME = datetime(2026, 11, 25, 12, 5, tzinfo=UTC)
TEXT = {"type": "text", "properties": {"value": "x"}}
SMALLEST: dict[str, Any] = {
    "icon": {"code": "call"},
    "header": {"title": "Missed call"},
    "body": {"logo": {"code": "call-incoming"}, "blocks": {"phone": TEXT}},
}
BUTTON = {"title": "Call", "type": "primary", "action": {"type": "redirect", "uri": "tel:+4930901820"}}
TAG = {"title": "new", "type": "warning"}


def titled(block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "withTitle", "properties": {"title": "t", "block": block}}


def slider(**params: Any) -> dict[str, Any]:
    return {"type": "openRestApp", "sliderParams": params}


def changed(**parts: Any) -> dict[str, Any]:
    return {**SMALLEST, **parts}


def test_smallest_layout_of_the_documentation_is_taken() -> None:
    """It comes out as it went in."""
    assert Layout.model_validate(SMALLEST).wire() == SMALLEST


def test_everything_that_the_documentation_names_is_taken() -> None:
    """All kinds of blocks and actions, tags and menus; it comes out as it went in, and a batch can say it."""
    action = {"type": "restEvent", "id": "done", "actionParams": {"call": 7}, "animationType": "loader"}
    link = {"type": "link", "properties": {"text": "Deal", "action": {"type": "redirect", "uri": "/crm/deal/1/"}}}
    blocks = {
        "a": {"type": "largeText", "properties": {"value": {"en": "Hello", "de": "Hallo"}}},
        "b": {"type": "lineOfBlocks", "properties": {"blocks": {"a": TEXT, "b": link}, "scope": "web"}},
        "c": {"type": "deadline"},
        "d": {"type": "deadline", "properties": {"readonly": "true"}},
        "e": {"type": "text", "properties": {"value": "x", "bold": "true", "size": "sm", "color": "base_70"}},
        "f": titled(link),
    }
    menu = {"showPinItem": "false", "items": {"a": {"title": "Done", "action": action}}}
    whole = changed(
        header={"title": "t", "titleAction": slider(width=640), "tags": {"a": TAG, "b": {**TAG, "action": action}}},
        body={"logo": {"code": "call", "action": action}, "blocks": blocks},
        footer={"buttons": {"a": BUTTON, "b": {**BUTTON, "hideIfReadonly": "true"}}, "menu": menu},
    )
    wire = Layout.model_validate(whole).wire()
    assert wire == whole
    sayable(wire)


@pytest.mark.parametrize(
    "layout",
    [
        changed(colour="red"),
        changed(icon={}),
        changed(header={"title": ""}),
        changed(header={"title": {}}),
        changed(header={"title": "t", "tags": {"a": TAG, "b": TAG, "c": TAG}}),
        changed(header={"title": "t", "tags": {"a": {"title": "t", "type": "lavender"}}}),
        changed(header={"title": "t", "tags": [TAG]}),
        changed(body={"logo": {"code": "call"}, "blocks": {}}),
        changed(body={"logo": {"code": "call"}, "blocks": {str(number): TEXT for number in range(21)}}),
        changed(body={"logo": {"code": "call"}, "blocks": {"a.b": TEXT}}),
        changed(body={"logo": {"code": "call"}, "blocks": {"a": {"type": "video"}}}),
        changed(footer={"buttons": {"a": BUTTON, "b": BUTTON, "c": BUTTON}}),
        changed(footer={"buttons": {"a": {**BUTTON, "type": "success"}}}),
        changed(footer={"buttons": {"a": {**BUTTON, "action": {"type": "jump", "uri": "/"}}}}),
        changed(footer={"buttons": {"a": {**BUTTON, "hideIfReadonly": True}}}),
        changed(footer={"buttons": {"a": {**BUTTON, "action": {"type": "restEvent", "id": "a", "actionParams": {}}}}}),
        changed(footer={"buttons": {"a": {**BUTTON, "action": slider(width=1, leftBoundary=2)}}}),
        changed(footer={"buttons": {"a": {**BUTTON, "action": slider()}}}),
        changed(footer={"menu": {}}),
        changed(footer={}),
        changed(body={"logo": {"code": "call"}, "blocks": {"a\n": TEXT}}),
        changed(body={"logo": {"code": "call"}, "blocks": {"\u0430": TEXT}}),
        changed(body={"logo": {"code": "call"}, "blocks": {"": TEXT}}),
        changed(body={"logo": {"code": "call"}, "blocks": {"a": {"type": "deadline", "properties": {}}}}),
        changed(body={"logo": {"code": "call"}, "blocks": {"a": titled(titled(TEXT))}}),
    ],
    ids=[
        *("unknown key", "no icon code", "empty title", "no language", "three tags", "tag type", "list of tags"),
        *("no block", "21 blocks", "dot in a key", "block type", "three buttons", "button type", "action type"),
        *("a flag that is none", "empty parameters", "two measures", "no measure", "empty menu", "empty footer"),
        *("line break in a key", "Cyrillic key", "empty key", "empty properties", "a caption in a caption"),
    ],
)
def test_what_the_portal_would_refuse_is_refused_before_it_is_sent(layout: dict[str, Any]) -> None:
    """Unknown keys, a third tag or button, a 21st block, keys and types outside of their lists."""
    with pytest.raises(ValidationError):
        Layout.model_validate(layout)


def test_a_missed_call_shows_who_called_which_line_and_when_and_can_be_called_back() -> None:
    """In the order in which it is read; what is not known is left out."""
    facts = Facts(time=TIME, caller="+4930901820", line="+4930901821", reason="no_answer")
    layout = build_layout(
        title="Missed call from +4930901820",
        text=None,
        facts=facts,
        icon="call",
        logo="call-incoming",
        call_back="+4930901820",
    ).wire()
    blocks = layout["body"]["blocks"]
    assert list(blocks) == ["caller", "line", "time", "reason"]
    shown = {name: block["properties"]["block"]["properties"]["value"] for name, block in blocks.items()}
    assert shown == {
        "caller": "+4930901820",
        "line": "+4930901821",
        "time": "2026-11-25 12:05 UTC",
        "reason": "no answer",
    }
    (button,) = layout["footer"]["buttons"].values()
    assert button["action"] == {"type": "redirect", "uri": "tel:+4930901820"}


@pytest.mark.parametrize("number", ["", "anonymous", "12", "+49 30", "+0123456"])
def test_there_is_no_button_when_there_is_no_number_to_call(number: str) -> None:
    """A withheld number, a short extension and a name cannot be called back."""
    layout = build_layout(title="t", text=None, facts=Facts(time=TIME), icon="i", logo="l", call_back=number)
    assert "footer" not in layout.wire()


def test_captions_are_in_the_languages_of_the_title_and_in_no_other() -> None:
    """A language that the portal does not have would refuse the whole layout."""
    title = {"de": "Verpasst", "xx": "?"}
    facts = Facts(time=TIME, caller="+4930901820")
    layout = build_layout(title=title, text="x", facts=facts, icon="i", logo="l").wire()
    assert layout["body"]["blocks"]["caller"]["properties"]["title"] == {"de": "Anrufer"}
    assert layout["header"]["title"] == title


@pytest.mark.parametrize("title", ["", "  ", {"en": " ", "de": ""}], ids=ascii)
def test_a_title_that_came_out_empty_is_a_dash(title: str | dict[str, str]) -> None:
    """The field that it is made of may be unknown; the portal takes no card without a title."""
    layout = build_layout(title=title, text=None, facts=Facts(time=TIME), icon="i", logo="l").wire()
    assert layout["header"] == {"title": "\N{EN DASH}"}


def test_the_rules_text_comes_first_in_the_languages_that_have_one() -> None:
    """A language without words is left out; several lines are shown as several."""
    text = {"en": " Line 1\nLine 2 ", "de": " "}
    layout = build_layout(title="t", text=text, facts=Facts(time=TIME), icon="i", logo="l").wire()
    name, block = next(iter(layout["body"]["blocks"].items()))
    assert (name, block["properties"]) == ("message", {"value": {"en": "Line 1\nLine 2"}, "multiline": "true"})


def test_the_time_is_shown_in_utc() -> None:
    """Which zone the reader is in nobody knows here."""
    time = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    layout = build_layout(title="t", text=None, facts=Facts(time=time), icon="i", logo="l").wire()
    assert layout["body"]["blocks"]["time"]["properties"]["block"]["properties"]["value"] == "2025-12-31 22:30 UTC"


@given(title=st.text(), text=st.text() | st.none(), caller=st.text(), reason=st.text(), back=st.text())
def test_any_event_gives_a_layout_that_a_batch_can_say(
    title: str, text: str | None, caller: str, reason: str, back: str
) -> None:
    """Nothing empty, no flag and no null in it, whatever a sender has put into his fields."""
    facts = Facts(time=TIME, caller=caller, reason=reason)
    sayable(build_layout(title=title, text=text, facts=facts, icon="i", logo="l", call_back=back).wire())
