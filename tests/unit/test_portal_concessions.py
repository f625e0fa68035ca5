"""What is left out of a layout that a portal refuses, and when that is remembered."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

from badge_bridge.errors import PortalError
from badge_bridge.portal.concessions import Concessions
from badge_bridge.portal.layout import Layout
from support.scripted_portal import lost, refused

CALL = {"title": "Call", "type": "primary", "action": {"type": "redirect", "uri": "tel:+4930901820"}}
OPEN = {"title": {"de": "Auf", "en": "Open"}, "type": "secondary", "action": {"type": "redirect", "uri": "/crm/"}}
ASK = {"title": "Ask", "type": "secondary", "action": {"type": "restEvent", "id": "ask"}}
MENU = {"showPinItem": "false"}


def layout(**footer: Any) -> dict[str, Any]:
    text = {"type": "text", "properties": {"value": {"de": "Hallo", "fr": "Salut"}}}
    link = {"type": "link", "properties": {"text": {"en": "Deal", "de": "Auftrag"}, "action": OPEN["action"]}}
    whole = {
        "icon": {"code": "call"},
        "header": {"title": {"de": "Verpasst", "en": "Missed"}, "tags": {"title": {"title": "new", "type": "warning"}}},
        "body": {
            "logo": {"code": "call"},
            "blocks": {
                "text": text,
                "value": {"type": "withTitle", "properties": {"title": "Deal", "block": link}},
            },
        },
        **({"footer": footer} if footer else {}),
    }
    return Layout.model_validate(whole).wire()


@pytest.mark.parametrize(
    ("footer", "left"),
    [
        ({"buttons": {"callBack": CALL}}, {}),
        ({"buttons": {"callBack": CALL}, "menu": MENU}, {"menu": MENU}),
        ({"buttons": {"callBack": CALL, "open": OPEN}}, {"buttons": {"open": OPEN}}),
        ({"buttons": {"callBack": CALL, "ask": ASK}}, {"buttons": {"ask": ASK}}),
    ],
    ids=["nothing", "menu", "another address", "an event"],
)
def test_only_what_calls_is_left_out_of_the_footer(footer: dict[str, Any], left: dict[str, Any]) -> None:
    """Other buttons and the menu stay, nothing empty does, and the layout itself is not changed."""
    whole = layout(**footer)
    before = copy.deepcopy(whole)
    concession = Concessions("main").after(refused("WRONG_FIELD_VALUE"), whole)
    assert concession is not None
    plain = concession.without(whole)
    assert plain == layout(**left)
    assert Layout.model_validate(plain).wire() == plain
    assert whole == before


@pytest.mark.parametrize(
    "code",
    [
        *("WRONG_FIELD_VALUE", "ENUM_FIELD", "FIELD_IS_REDUNDANT", "", "ERROR_CORE", "INVALID_ARG_VALUE", "NO_TEL"),
        *("0", "BX_INVALID_VALUE", "ERROR_UNSUPPORTED_PROTOCOL"),
    ],
)
def test_the_button_is_in_question_when_a_code_may_mean_it(code: str) -> None:
    """Which code a portal has for a `tel:` address is not documented, so a vague or unknown one may be it."""
    concession = Concessions("main").after(refused(code), layout(buttons={"callBack": CALL}))
    assert concession is not None
    assert concession.what == "buttons that call a number"


@pytest.mark.parametrize(
    "refusal",
    [
        refused("ERROR_WRONG_APPLICATION"),
        refused("INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE"),
        refused("NOT_FOUND"),
        refused("ACCESS_DENIED"),
        lost(),
    ],
    ids=lambda error: error.code,
)
def test_nothing_is_left_out_when_the_refusal_is_about_something_else(refusal: PortalError) -> None:
    """After a lost answer nothing may be sent again at all."""
    assert Concessions("main").after(refusal, layout(buttons={"callBack": CALL})) is None


def test_nothing_is_left_out_when_there_is_no_button_that_calls() -> None:
    """The same layout would only be refused again."""
    assert Concessions("main").after(refused("WRONG_FIELD_VALUE"), layout(buttons={"open": OPEN})) is None


def test_every_text_is_in_one_language_after_the_portal_lacks_one() -> None:
    """English where there is English, else the first; what is named like a text but is none stays as it is."""
    concession = Concessions("main").after(refused("WRONG_LANG"), layout(buttons={"open": OPEN}))
    assert concession is not None
    plain = concession.without(layout(buttons={"open": OPEN}))
    assert plain["header"] == {"title": "Missed", "tags": {"title": {"title": "new", "type": "warning"}}}
    assert plain["body"]["blocks"]["text"]["properties"]["value"] == "Hallo"
    assert plain["body"]["blocks"]["value"]["properties"]["block"]["properties"]["text"] == "Deal"
    assert plain["footer"]["buttons"]["open"]["title"] == "Open"
    assert Layout.model_validate(plain).wire() == plain
    assert Concessions("main").after(refused("WRONG_LANG"), plain) is None


def test_what_was_learned_is_left_out_from_the_start_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Learned is what an activity was taken without."""
    concessions = Concessions("main")
    whole = layout(buttons={"callBack": CALL})
    made = concessions.after(refused("ENUM_FIELD"), whole)
    assert made is not None
    assert concessions.apply(whole) == whole
    concessions.learn([made])
    concessions.learn([made])
    assert concessions.apply(whole) == layout()
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == "portal main refuses buttons that call a number; activities go without"
