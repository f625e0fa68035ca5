"""The page of one event, and its twin: the whole life, whatever was sent and whatever came of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import httpx
import pytest

from badge_bridge.archive import note_of
from badge_bridge.console.assets import asset
from badge_bridge.events import call_join
from badge_bridge.moments import iso
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Attachment
from support.operators import RULES, Clock, Console, received, settled, text_of

NOW = 1_795_345_200.0
KEY = "pbx:0123456789abcdef0123456789abcdef"
OTHER = "pbx:fedcba9876543210fedcba9876543210"
CALLER = "+4930901820"
EVIL = "<script>alert(1)</script>'\"&"
BROWSER = {"Accept": "text/html"}


async def opened(**console: Any) -> Console:
    store = MemoryStore()
    await store.open()
    return Console(store, Clock(NOW + 60), **console)


async def shown(console: Console, key: str = KEY) -> tuple[str, dict[str, Any]]:
    """The page, and the data of its twin."""
    async with console.operator() as browser:
        page = await browser.get(f"/console/events/{key}", headers=BROWSER)
        twin = await browser.get(f"/console/api/v1/events/{key}.json")
    assert (page.status_code, twin.status_code) == (200, 200)
    told: dict[str, Any] = twin.json()
    return page.text, told


async def badged(console: Console, **fields: Any) -> None:
    """A missed call whose badge is on deal 41 after two attempts."""
    store = console.store
    await received(
        store, KEY, at=NOW, direction="inbound", caller=CALLER, outcome="missed", data={"from": "030/901820"}, **fields
    )
    refused = Exchange(
        method="crm.item.list", about="of contact 3", answer="ODD", said="In maintenance.", milliseconds=1210
    )
    await settled(
        store,
        KEY,
        at=NOW + 1,
        state="waiting",
        due=NOW + 6,
        reason="portal main: HTTP 500",
        failed=True,
        asked=(refused,),
    )
    outcome = Outcome(
        rule="missed call", result="badged", badge="bb_missedCall", portal="main", owner="deal 41", activity=901
    )
    told = {"method": "crm.activity.configurable.add", "about": "on deal 41", "said": "activity 901"}
    added = Exchange(answer="ok", milliseconds=12, together=3, **told)
    older = Exchange(method="crm.item.list", answer="ok", milliseconds=7)
    await store.attach(Attachment(KEY, "missed call", "main", "bb_missedCall", 2, 41, NOW, "j", "{}", activity=901))
    await settled(store, KEY, at=NOW + 6, outcomes=(outcome,), asked=(older, added), rules_hash=console.rules.hash)


async def test_life_is_told_from_the_delivery_to_the_card_when_a_badge_was_put_there() -> None:
    """Received, verified, read, judged, each attempt with what was asked and answered, and the badge as it looks."""
    console = await opened()
    await badged(console)
    page, told = await shown(console)
    text = text_of(page)
    assert told["came_of"] == "Badge Missed is on deal 41."
    for part in (
        "by source pbx (generic), as it happened",
        "Verified bearer",
        "Read as call.missed",
        f"caller {CALLER}",
        "the event was judged by the same",
        "missed call matched",
        "event.caller.startsWith('+4930') is true: event.caller is \"+4930901820\"",
        "Attempt 1",
        "took 250 ms. Portal main: HTTP 500.",
        "crm.item.list of contact 3 ODD In maintenance. 1.2 s",
        "Attempt 2",
        "crm.item.list ok 7 ms crm.activity.configurable.add on deal 41 (with 2 others) activity 901 12 ms",
        "On the card Deal 41 Call status MISSED",
        "Now: done",
    ):
        assert part in text
    assert 'href="https://acme.bitrix24.com/crm/deal/details/41/"' in page
    assert '<b class="failure">MISSED</b>' in page


async def test_page_and_twin_say_which_badge_lies_over_this_one() -> None:
    """The one that was added last to the same card, with its event; and nothing of it once that is off again."""
    console = await opened()
    await badged(console)
    paid = Attachment(OTHER, "paid", "main", "bb_<b>", 2, 41, NOW + 60, "", "{}", activity=902)
    await console.store.attach(paid)
    await console.store.attach(Attachment("pbx:b", "paid", "main", "bb_x", 2, 42, NOW, "", "{}", activity=903))
    page, told = await shown(console)
    (card,) = told["cards"]
    assert (card["state"], card["newer_badge"], card["newer_event"]) == ("there", "bb_<b>", OTHER)
    assert "On the card, beneath a newer badge Deal 41" in text_of(page)
    assert f"The newer badge bb_<b> lies over it (event {OTHER})" in text_of(page)
    assert f'href="/console/events/{OTHER}"' in page

    await console.store.close_attachment(OTHER, "paid", now=NOW + 70)
    await console.store.attach(replace(paid, key=KEY, rule="also", badge="bb_also"))
    page, told = await shown(console)
    assert [(card["rule"], card["newer_badge"], card["newer_event"]) for card in told["cards"]] == [
        ("also", "", ""),
        ("missed call", "bb_also", KEY),
    ]
    assert "The newer badge bb_also lies over it (of this event, too)" in text_of(page)

    await console.store.close_attachment(KEY, "also", now=NOW + 80)
    page, told = await shown(console)
    assert [(card["state"], card["newer_event"]) for card in told["cards"]] == [("taken off", ""), ("there", "")]
    assert "beneath" not in page


async def test_twin_has_what_the_page_shows() -> None:
    """A script need not read HTML: every part of the page is a field."""
    console = await opened()
    await badged(console)
    _, told = await shown(console)
    assert [attempt["said"] for attempt in told["history"]] == ["Portal main: HTTP 500.", "Done."]
    assert [attempt["took"] for attempt in told["history"]] == [0.25, 0.25]
    assert [[(one["about"], one["said"]) for one in attempt["asked"]] for attempt in told["history"]] == [
        [("of contact 3", "In maintenance.")],
        [("", ""), ("on deal 41", "activity 901")],
    ]
    (card,) = told["cards"]
    assert (card["owner"], card["state"], card["href"]) == (
        "deal 41",
        "there",
        "https://acme.bitrix24.com/crm/deal/details/41/",
    )
    assert told["badges"]["bb_missedCall"]["texts"] == [{"language": "", "title": "Call status", "value": "Missed"}]
    (rule,) = told["judgement"]["rules"]
    assert (rule["result"], rule["condition"]["value"], told["judgement"]["by_rules_of_then"]) == (
        "matched",
        True,
        True,
    )
    assert (told["age"], told["late"], told["can_redrive"], told["pause"]) == (60, 0, True, None)


async def test_failed_part_of_a_condition_is_told_when_a_rule_did_not_match() -> None:
    """Which part, where it is written, and what was there instead."""
    console = await opened()
    await received(console.store, KEY, at=NOW, caller="+12025550143")
    await settled(
        console.store, KEY, at=NOW, state="ignored", reason="the condition is not true: missed call", rules_hash="f00d"
    )
    page, told = await shown(console)
    text = text_of(page)
    (rule,) = told["judgement"]["rules"]
    place = f"rules.yaml:{rule['condition']['line']}:{rule['condition']['column']}"
    assert f"missed call not matched rules.yaml:{rule['line']}" in text
    assert f"event.caller.startsWith('+4930') is false: event.caller is \"+12025550143\" {place}" in text
    assert "The event was judged by others then: f00d" in text
    assert told["judgement"]["by_rules_of_then"] is False
    assert "change the rules file, then redrive the event" in text


async def test_rules_of_now_judge_when_they_were_replaced_meanwhile() -> None:
    """The desk asks for them each time."""
    console = await opened()
    await received(console.store, KEY, at=NOW, caller="+12025550143")
    assert (await shown(console))[1]["judgement"]["rules"][0]["result"] == "not matched"
    console.take(RULES.replace("+4930", "+1202"))
    assert (await shown(console))[1]["judgement"]["rules"][0]["result"] == "matched"


async def test_reason_of_death_and_what_to_do_are_told_when_an_event_is_dead() -> None:
    """In plain words, with the form that tries it again."""
    console = await opened()
    await received(console.store, KEY, at=NOW, caller=CALLER)
    await settled(console.store, KEY, at=NOW, state="dead", reason="portal main: deal 41 was refused", failed=True)
    page, told = await shown(console)
    assert told["next"] == "It is not tried again by itself. Mend what the reason says, then redrive it."
    assert "Portal main: deal 41 was refused." in text_of(page)
    assert "<button>Redrive this event</button>" in page
    assert '<a href="#redrive">Redrive it</a>' in page


async def test_long_reason_stands_once_on_the_page() -> None:
    """Above all; the attempt and the rule that met it say its first sentence. The list does, too."""
    console = await opened()
    reason = "portal main: the method was refused. An administrator grants the right."
    await received(console.store, KEY, at=NOW, caller=CALLER)
    failed = Outcome(rule="missed call", result="failed", badge="bb_missedCall", reason=reason)
    await settled(console.store, KEY, at=NOW, state="dead", reason=reason, outcomes=(failed,))
    page, told = await shown(console)
    assert text_of(page).count("An administrator grants the right") == 1
    assert text_of(page).count("the method was refused …") == 2
    assert told["history"][0]["said"] == f"Dead: {reason}"
    async with console.operator() as browser:
        listed = await browser.get("/console/events", headers=BROWSER)
    assert "Portal main: the method was refused …" in text_of(listed.text)
    assert "An administrator" not in text_of(listed.text)


async def test_pause_is_told_when_an_event_waits_for_its_portal() -> None:
    """Until when, and why."""
    console = await opened()
    await received(console.store, KEY, at=NOW, caller=CALLER)
    await console.store.pause("main", until=NOW + 360, reason="OVERLOAD_LIMIT: portal main: over its limits")
    await settled(
        console.store, KEY, at=NOW, state="waiting", due=NOW + 360, lane="main", reason="portal main: over its limits"
    )
    page, told = await shown(console)
    assert told["pause"] == {
        "lane": "main",
        "until": iso(NOW + 360),
        "failures": 1,
        "reason": "portal main: over its limits",
    }
    assert "main is paused until" in text_of(page)
    assert "Redrive this event" not in page


async def test_leg_leads_to_its_call_when_it_was_joined() -> None:
    """A leg is judged with the others, and the page says where."""
    console = await opened()
    leg = {"call": "7", "party": "customer", "state": "ended", "ends": "call", "outcome": "no_answer"}
    event = await received(console.store, KEY, at=NOW, type="call.leg", caller=CALLER, direction="inbound", leg=leg)
    other = {**leg, "leg": "2", "party": "agent", "ends": "leg"}
    await received(
        console.store, OTHER, at=NOW + 1, joins=(call_join(event),), type="call.leg", caller=CALLER, leg=other
    )
    page, told = await shown(console, OTHER)
    assert told["judged_as"].startswith("pbx:")
    assert "somebody of ours, ended, no answer this one" in text_of(page)
    assert f'href="/console/events/{told["judged_as"]}"' in page
    assert "The legs of its call so far" in text_of(page)
    assert told["judgement"] is None
    assert [set(one) for one in told["joined_from"]] == [{"key", "time", "said"}]
    assert (told["joined_from"][0]["key"], told["joined_from"][0]["time"]) == (OTHER, iso(NOW + 1))
    assert "No rule meets a leg of a call" in text_of(page)


async def test_leg_is_not_redriven_with_rules_of_then_when_it_was_joined() -> None:
    """None have judged it, so the form does not offer them; of another event neither, while they are not kept."""
    console = await opened()
    leg = {"call": "7", "party": "customer", "state": "ended", "ends": "call", "outcome": "no_answer"}
    await received(console.store, OTHER, at=NOW, type="call.leg", caller=CALLER, leg=leg)
    await settled(console.store, OTHER, at=NOW, state="joined", reason="judged")
    page, told = await shown(console, OTHER)
    assert (told["can_redrive"], told["can_redrive_then"]) == (True, False)
    assert 'value="then"' not in page
    assert "no rules judge a leg" in text_of(page)
    assert "judged by the rules of now" not in text_of(page)
    assert f'redrive <a href="/console/events/{told["judged_as"]}">its event</a>' in page
    await received(console.store, KEY, at=NOW, caller=CALLER)
    await settled(console.store, KEY, at=NOW, state="dead", reason="refused", rules_hash="f00d")
    assert "those of then are not kept" in text_of((await shown(console))[0])
    await console.store.write_note(note_of("f00d"), "rules: []", version=0)
    page, told = await shown(console)
    assert told["can_redrive_then"] is True
    assert 'value="then"' in page


async def test_page_says_until_when_the_badge_stays() -> None:
    """Which later event takes it off, and by what the two are joined."""
    console = await opened()
    await received(console.store, KEY, at=NOW, caller=CALLER)
    page, told = await shown(console)
    (rule,) = told["judgement"]["rules"]
    assert rule["until"] == ["call.answered"]
    assert f"It stays until a later call.answered of the same: {rule['same']}." in text_of(page)


async def test_page_is_found_by_what_no_other_key_begins_with() -> None:
    """As in the terminal; where several begin so, each leads to its own page."""
    console = await opened()
    await received(console.store, KEY, at=NOW, caller=CALLER)
    await received(console.store, OTHER, at=NOW, caller=CALLER)
    _, told = await shown(console, KEY[:8])
    assert told["key"] == KEY
    async with console.operator() as browser:
        page = await browser.get("/console/events/pbx:", headers=BROWSER)
    assert page.status_code == 404
    assert "Several keys begin so" in text_of(page.text)
    for key in (KEY, OTHER):
        assert f'<a href="/console/events/{key}">{key}</a>' in page.text


async def test_only_so_many_rules_are_listed_when_there_are_very_many() -> None:
    """Those that concern the event come all the same."""
    many = "".join(f"  - {{name: 'other {number}', on: other.type, badge: missedCall}}\n" for number in range(100))
    console = await opened(rules=RULES + many)
    await received(console.store, KEY, at=NOW, caller=CALLER)
    page, told = await shown(console)
    assert [rule["rule"] for rule in told["judgement"]["rules"]][:2] == ["missed call", "other 0"]
    assert (len(told["judgement"]["rules"]), told["judgement"]["left_out"]) == (21, 80)
    assert "100 rules are for other events" in text_of(page)
    assert "and 80 more" in text_of(page)


@pytest.mark.parametrize("field", ["id", "caller", "callee", "line", "subject", "email", "reason", "provider", "type"])
async def test_what_was_sent_is_text_when_it_looks_like_html(field: str) -> None:
    """Nothing that somebody sends becomes a tag of the page."""
    console = await opened()
    evil = EVIL if field != "type" else "<script>alert(1)</script>"
    sent: dict[str, Any] = {"caller": CALLER, field: evil, "data": {EVIL: [EVIL]}}
    await received(console.store, KEY, at=NOW, **sent)
    await settled(
        console.store, KEY, at=NOW, state="dead", reason=f"portal {EVIL}",
        outcomes=(Outcome(rule=EVIL, result="failed", badge=EVIL, reason=EVIL, owner=EVIL),),
        asked=(Exchange(method=EVIL, about=EVIL, answer=EVIL, said=EVIL, milliseconds=1),
               Exchange(method=EVIL, answer="ok", said=EVIL, milliseconds=1)),
    )  # fmt: skip
    await console.store.attach(Attachment(KEY, EVIL, EVIL, EVIL, 2, 41, NOW, "j", "{}", activity=901))
    page, told = await shown(console)
    assert "<script>alert" not in page
    assert "alert(1)" in text_of(page)
    assert told["event"][field] == evil
    async with console.operator() as browser:
        listed = await browser.get("/console/events", headers=BROWSER)
    assert "<script>alert" not in listed.text


async def test_event_that_cannot_be_read_is_told_as_such() -> None:
    """A row of another version is no reason for an error page."""
    console = await opened()
    await received(console.store, KEY, at=NOW, type="unreadable", reason="this version cannot read the stored event")
    page, _ = await shown(console)
    assert "Read as unreadable" in text_of(page)


async def test_console_of_a_function_offers_no_change() -> None:
    """It may only read, and says what to do instead."""
    console = await opened(may_change=False)
    await badged(console)
    page, told = await shown(console)
    assert told["can_redrive"] is False
    assert "<button>Redrive" not in page
    assert f"badge-bridge events redrive {KEY}" in text_of(page)


async def test_page_says_that_there_is_no_such_event_when_it_was_deleted() -> None:
    """Old events are deleted, and links to them are kept."""
    console = await opened()
    async with console.operator() as browser:
        page: httpx.Response = await browser.get(f"/console/events/{KEY}", headers=BROWSER)
    assert page.status_code == 404
    assert "it may have been deleted" in text_of(page.text)


TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


async def test_marks_that_turn_the_direction_of_text_are_shown_and_turn_nothing() -> None:
    """Wherever a sender has put one, in the list too; the twin has it as it was sent."""
    console = await opened()
    name, sent = "name \u202eevil", {"name": "\u2067x\u202e", "n\u200fm": 1}
    fields: dict[str, Any] = {
        "id": name,
        "type": f"call.{name}",
        "caller": name,
        "reason": name,
        "line": name,
        "data": sent,
    }
    await received(console.store, KEY, at=NOW, **fields)
    await settled(console.store, KEY, at=NOW, state="dead", reason=f"an answer: {name} `{name}` {OTHER}")
    page, told = await shown(console)
    async with console.operator() as browser:
        listed = await browser.get("/console/events", headers=BROWSER)
        searched = await browser.get("/console/events", params={"type": name}, headers=BROWSER)
    assert TURNING.findall(page + listed.text) == []
    assert "id name \\u202eevil" in text_of(page)
    assert "an answer: name \\u202eevil" in text_of(page)
    assert f'<a href="/console/events/{OTHER}">' in page
    assert "&#34;\\u2067x\\u202e&#34;" in page
    assert "name \\u202eevil" in text_of(listed.text)
    assert (told["event"]["id"], told["event"]["data"]) == (name, sent)
    # What is in a field is sent back with the form.
    assert f'name="type" value="{name}"' in searched.text


async def test_what_runs_from_right_to_left_stands_apart_from_the_words_around_it() -> None:
    """A type, a caller and a value that a condition read; the style sheet isolates what is marked in a line."""
    console = await opened()
    await received(console.store, KEY, at=NOW, type="call.missed", caller="\u05e9\u05dc\u05d5\u05dd")
    page, _ = await shown(console)
    assert "<h1><bdi>call.missed</bdi> from <bdi>\u05e9\u05dc\u05d5\u05dd</bdi></h1>" in page
    assert "<code>&#34;\u05e9\u05dc\u05d5\u05dd&#34;</code>" in page
    async with console.operator() as browser:
        sheet = asset("console.css")
        assert sheet in page
        assert ":is(a, b, code, q, span, strong, time) { unicode-bidi: isolate; }" in (await browser.get(sheet)).text
