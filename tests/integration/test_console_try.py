"""The page Try: what would become of a delivery, by rules that somebody has just written; and nothing comes of it."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from badge_bridge.console.apart import Apart
from badge_bridge.console.event import LISTED
from badge_bridge.console.pasted import MOST
from badge_bridge.console.sessions import CSRF_FIELD
from badge_bridge.console.trial import MOST_RULES
from badge_bridge.events import Event
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted
from support.operators import RULES, SAME, Clock, Console, csrf
from support.stores import item

NOW = 1_795_345_200.0
TRY, TWIN = "/console/try", "/console/api/v1/try.json"
SECRET = "s3cr3t-0123456789"
ENVIRON = {"CLIENT_ID": "app.1", "CLIENT_SECRET": "another-secret-987", "SECRET": SECRET}
BROWSER = {"Accept": "text/html"}


class Watched(MemoryStore):
    """Counts what is asked of it; whatever writes has a name that is not among the readings."""

    READINGS = frozenset({"get", "keys", "related", "attachments", "joined", "note", "paused", "list"})

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()
        self.watching = False

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name not in {"asked", "watching", "READINGS"} and self.watching:
            self.asked.add(name)
        return super().__getattribute__(name)


async def opened(store: MemoryStore | None = None, **given: Any) -> Console:
    store = store or MemoryStore()
    await store.open()
    event = Event(
        id="1",
        source="pbx",
        provider="generic",
        type="call.missed",
        time=datetime.fromtimestamp(NOW, UTC),
        caller="+4930901820",
        data={"note": "<script>alert(1)</script>"},
    )
    await store.accept([Accepted("pbx:1", event, "bearer", NOW)])
    return Console(store, Clock(NOW), environ=ENVIRON, **given)


def delivery(secret: str = SECRET, caller: str = "+4930901820", number: int = 7) -> str:
    body = json.dumps({"id": number, "from": caller})
    return f"POST /hooks/pbx HTTP/1.1\nAuthorization: Bearer {secret}\nContent-Type: application/json\n\n{body}"


async def post(browser: httpx.AsyncClient, path: str = TRY, **fields: str) -> httpx.Response:
    token = await csrf(browser, TRY)
    return await browser.post(path, data={"csrf_token": token, **fields}, headers={**SAME, **BROWSER})


async def tried(console: Console, **fields: str) -> dict[str, Any]:
    """What the twin tells."""
    async with console.operator() as browser:
        token = await csrf(browser, TRY)
        answer = await browser.post(TWIN, json=fields, headers={**SAME, "x-csrf-token": token})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def rule_of(told: Mapping[str, Any]) -> dict[str, Any]:
    (event,) = told["judgement"]["events"]
    (rule,) = event["rules"]
    return dict(rule)


async def test_page_begins_with_the_rules_of_now_and_no_secret() -> None:
    """The text of the rules is there to be changed, with the names of its secrets and nothing of their values."""
    console = await opened(rules=f"# once it was {SECRET}, in plain text\r\n{RULES}")
    async with console.operator() as browser:
        page = (await browser.get(TRY, headers=BROWSER)).text
        told = (await browser.get(TWIN)).json()
    assert "Nothing is stored and nothing is sent" in page
    assert "secrets: [&#34;${SECRET}&#34;]" in page
    assert told["rules"]["text"] == f"# once it was ***, in plain text\n{RULES}"
    assert told["judgement"] is None
    assert not any(secret in page + json.dumps(told) for secret in ENVIRON.values())


async def test_delivery_is_judged_by_the_rules_of_now() -> None:
    """Verified how, read as what, which rule matched and why, and what the badge would look like."""
    told = await tried(await opened(), delivery=delivery())
    (one,) = told["judgement"]["deliveries"]
    assert (one["verified"], one["refused"]) == ("bearer token", "")
    rule = rule_of(told)
    assert (rule["result"], rule["condition"]["value"]) == ("matched", True)
    assert rule["condition"]["reads"] == [{"field": "event.caller", "there": True, "value": "+4930901820"}]
    assert told["judgement"]["badges"]["missedCall"] == {
        "code": "bb_missedCall",
        "type": "failure",
        "texts": [{"language": "", "title": "Call status", "value": "Missed"}],
    }


async def test_page_and_twin_tell_the_same() -> None:
    """What the page shows of a judgement is what a program reads."""
    console = await opened()
    told = await tried(console, delivery=delivery(caller="+431234567"))
    rule = rule_of(told)
    async with console.operator() as browser:
        page = (await post(browser, delivery=delivery(caller="+431234567"))).text
    assert rule["result"] == "not matched"
    for text in (rule["rule"], rule["result"], ">false<", "+431234567", told["judgement"]["events"][0]["key"][:40]):
        assert text in page
    assert "0 of 1 rule matched" in page


async def test_page_shows_what_was_read_as_the_page_of_an_event_does() -> None:
    """By the same names: when it happened, how the call ended, its id, and the customer once."""
    console = await opened()
    async with console.operator() as browser:
        page = (await post(browser, delivery=delivery(number=4711))).text
    facts = dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert (facts["id"], facts["outcome"], facts["customer"]) == ("4711", "missed", "+4930901820")
    assert "happened" in facts
    assert {"time", "subject"}.isdisjoint(facts)


async def test_rules_are_tried_as_they_were_changed() -> None:
    """A changed condition decides, and the source of now still verifies, since its entry is as it was."""
    changed = RULES.replace("'+4930'", "'+43'")
    console = await opened()
    told = await tried(console, delivery=delivery(caller="+431234567"), rules=changed.replace("\n", "\r\n"))
    assert rule_of(told)["result"] == "matched"
    assert told["judgement"]["deliveries"][0]["verified"] == "bearer token"
    assert told["rules"]["is_of_now"] is False
    assert told["judgement"]["rules_hash"] != console.rules.hash


async def test_delivery_is_not_verified_when_the_entry_of_its_source_was_changed() -> None:
    """Rules that somebody has written into a browser get no secret of ours, whatever name they call it by."""
    stolen = RULES.replace("country: DE", 'country: "${CLIENT_SECRET}"', 1)
    told = await tried(await opened(), delivery=delivery(), rules=stolen)
    assert "another-secret" not in json.dumps(told)
    other = RULES.replace('"${SECRET}"', '"${CLIENT_SECRET}"', 1)
    told = await tried(await opened(), delivery=delivery(), rules=other)
    (one,) = told["judgement"]["deliveries"]
    assert (one["verified"], one["status"]) == ("", 0)
    assert "not verified: the entry of its source is another one here" in one["refused"]
    assert rule_of(told)["result"] == "matched"


async def test_try_goes_on_when_a_placeholder_stands_where_a_source_needs_a_value() -> None:
    """What cannot be tried without the environment is told of the deliveries that it concerns."""
    text = RULES.replace("verify: {scheme: bearer}", 'verify: "${SECRET}"', 1)
    told = await tried(await opened(), delivery=delivery(), rules=text)
    (one,) = told["judgement"]["deliveries"]
    assert (one["events"], one["verified"]) == ([], "")
    assert "not verified" in one["refused"]


async def test_nothing_is_verified_when_the_process_knows_no_secrets() -> None:
    """A function that only shows says so, instead of calling every delivery a forgery."""
    told = await tried(await opened(knows_secrets=False), delivery=delivery())
    assert "takes no deliveries" in told["judgement"]["deliveries"][0]["refused"]
    assert rule_of(told)["result"] == "matched"


async def test_program_sends_every_byte_of_a_body_and_a_browser_no_line_ends_of_its_own() -> None:
    """A signature covers a body as it was sent; what a form makes of the ends of lines was nobody's."""
    console, text = await opened(), delivery().replace("{", "{\r\n").replace("HTTP/1.1\n", "HTTP/1.1\r\n")
    told = await tried(console, delivery=text)
    assert told["wish"]["delivery"] == text
    assert told["judgement"]["deliveries"][0]["bytes"] == len(text.partition("\n\n")[2])
    async with console.operator() as browser:
        token = await csrf(browser, TRY)
        form = {"csrf_token": token, "delivery": delivery().replace("\n", "\r\n")}
        answer = await browser.post(TWIN, data=form, headers=SAME)
    assert answer.json()["wish"]["delivery"] == delivery()


async def test_forgery_is_told_with_its_reason_and_what_it_would_mean() -> None:
    """The operator hears why, as no sender does."""
    told = await tried(await opened(), delivery=delivery(secret="another"))
    (one,) = told["judgement"]["deliveries"]
    assert one["status"] == 401
    assert one["refused"]
    assert rule_of(told)["result"] == "matched"


async def test_mistakes_are_told_at_their_place_when_rules_have_some() -> None:
    """Every mistake has its line, its column and the line's text with a caret, in the page as in the twin."""
    wrong = RULES.replace("event.caller.", "event.callr.").replace("type: failure", "type: <b>red</b>")
    console = await opened()
    told = await tried(console, delivery=delivery(), rules=wrong)
    assert told["judgement"] is None
    lines = wrong.split("\n")
    marked = []
    for finding in told["findings"]:
        excerpt = finding["excerpt"]
        assert lines[finding["line"] - 1] == excerpt["text"]
        assert finding["column"] == excerpt["start"] + 1
        marked.append(excerpt["text"][excerpt["start"] : excerpt["stop"]])
    assert marked == ["<b>red</b>", "callr"]
    async with console.operator() as browser:
        page = (await post(browser, delivery=delivery(), rules=wrong)).text
    for finding, what in zip(told["findings"], marked, strict=True):
        assert f'data-line="{finding["line"]}" data-column="{finding["column"]}"' in page
        assert f"\n{' ' * (finding['column'] - 1)}{'^' * len(what)}</pre>" in page
    assert "<b>red</b>" not in page
    assert "did you mean" in page


async def test_warnings_are_told_and_the_rules_are_judged_all_the_same() -> None:
    """What is probably not meant is no mistake: it stands beside the judgement."""
    spare = RULES.replace("rules:\n", "  spare: {title: Nobody, value: uses it, type: secondary}\nrules:\n")
    console = await opened()
    told = await tried(console, delivery=delivery(), rules=spare)
    warnings = [finding["message"] for finding in told["findings"] if finding["severity"] == "warning"]
    assert any("spare" in message for message in warnings)
    assert rule_of(told)["result"] == "matched"
    async with console.operator() as browser:
        page = (await post(browser, delivery=delivery(), rules=spare)).text
    assert f"{len(warnings)} warnings: what is probably not meant" in page
    assert "Nothing was judged" not in page
    assert "1 of 1 rule matched" in page


async def test_stored_event_is_judged_when_its_key_is_given() -> None:
    """From the page of an event, one look by the rules of now, and then by others; what it says is shown as text."""
    console = await opened()
    async with console.operator() as browser:
        page = (await browser.get(f"{TRY}?event=pbx:1", headers=BROWSER)).text
        twin = (await browser.get(f"{TWIN}?event=pbx:1")).json()
    assert rule_of(twin)["result"] == "matched"
    assert "1 of 1 rule matched" in page
    assert "<script>alert" not in page
    told = await tried(console, event="pbx:1", rules=RULES.replace("'+4930'", "'+43'"))
    assert rule_of(told)["result"] == "not matched"
    assert told["judgement"]["stored"]["key"] == "pbx:1"
    told = await tried(console, event=" pbx: ")
    assert told["judgement"]["stored"]["key"] == "pbx:1", "the beginning of a key will do"


async def test_keys_are_named_when_several_begin_as_it_was_typed() -> None:
    """Which is meant, nobody can know."""
    store = MemoryStore()
    await store.open()
    await store.accept([item("pbx:a1"), item("pbx:a2")])
    told = await tried(await opened(store), event="pbx:a")
    assert told["problem"]["field"] == "event"
    assert told["problem"]["text"].startswith("several keys begin so: pbx:a1, pbx:a2; type more")


async def test_time_that_was_not_believed_is_told_beside_the_one_that_counts() -> None:
    """On Try and on the event's own page."""
    console = await opened()
    told_time = datetime(9999, 12, 31, tzinfo=UTC)
    moment = datetime.fromtimestamp(NOW, UTC)
    event = Event(id="2", source="pbx", provider="generic", type="call.missed", time=moment, told_time=told_time)
    await console.store.accept([Accepted("pbx:2", event, "bearer", NOW)])
    since = "since the time that it tells cannot be true: 9999-12-31T00:00:00Z"
    async with console.operator() as browser:
        assert f", when it was received, {since}" in (await browser.get(f"{TRY}?event=pbx:2", headers=BROWSER)).text
        page = await browser.get("/console/events/pbx:2", headers=BROWSER)
    assert f"and this moment counts, {since}" in page.text


async def test_duplicate_is_told_when_the_store_has_the_event() -> None:
    """Who sends the same again hears that nothing would come of it."""
    console = await opened()
    first = await tried(console, delivery=delivery())
    ((made,),) = [one["events"] for one in first["judgement"]["deliveries"]]
    assert made["stored_as"] is None
    event = Event.model_validate(made["event"])
    await console.store.accept([Accepted(made["key"], event, "bearer", NOW)])
    again = await tried(console, delivery=delivery())
    assert again["judgement"]["deliveries"][0]["events"][0]["stored_as"] == "waiting"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"delivery": "hello"}, "delivery"),
        ({"event": "pbx:nobody"}, "event"),
        ({"sample": "missed nobody"}, "sample"),
        ({"sample": "lost pbx"}, "sample"),
        ({"delivery": "curl https://x.example.com/hooks/pbx", "at": "soon"}, "at"),
        ({"delivery": delivery() * 2_000, "at": "99999-01-01T00:00:00Z"}, "at"),
        ({"delivery": f"{'curl https://x.example.com/hooks/pbx' + chr(10)}" * (MOST + 1)}, "delivery"),
    ],
)
async def test_page_says_what_is_wrong_when_there_is_nothing_to_judge(fields: dict[str, str], field: str) -> None:
    """The field that is wrong is marked and explained, and what was typed is still there."""
    console = await opened()
    told = await tried(console, **fields)
    assert told["problem"]["field"] == field
    async with console.operator() as browser:
        answer = await post(browser, **fields)
    assert answer.status_code == 200
    assert f'id="wrong-{field}"' in answer.text
    assert f'aria-describedby="wrong-{field}"' in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b'{"delivery": 7}', b'{"nothing": ""}', b"{" * 100_000, b"\xff", b'{"at": null}']
)
async def test_twin_refuses_what_is_no_wish(body: bytes) -> None:
    """A program hears 400 and which fields there are."""
    console = await opened()
    async with console.operator() as browser:
        headers = {**SAME, "x-csrf-token": await csrf(browser, TRY), "content-type": "application/json"}
        answer = await browser.post(TWIN, content=body, headers=headers)
        large = await browser.post(TWIN, content=b" " * (4 * 1024 * 1024 + 1), headers=headers)
    assert answer.status_code == 400
    assert "delivery, source, event" in answer.json()["error"]
    assert large.status_code == 400
    assert "larger than" in large.json()["error"]


async def test_nothing_is_judged_without_the_token_of_the_session() -> None:
    """Another page of the browser cannot have anything tried."""
    console = await opened()
    async with console.operator() as browser:
        for path in (TRY, TWIN):
            assert (await browser.post(path, data={"event": "pbx:1"}, headers=SAME)).status_code == 403
            assert (
                await browser.post(path, data={"event": "pbx:1"}, headers={"Origin": "https://evil.example"})
            ).status_code == 403


async def test_nothing_is_stored_and_nothing_sent_when_something_is_tried() -> None:
    """All that a try asks of the store is reading, and it has no way to a portal: none is given to it here."""
    store = Watched()
    console = await opened(store)
    before = {key: await store.get(key) for key in ("pbx:1",)}
    async with console.operator() as browser:
        token = await csrf(browser, TRY)
        store.watching = True
        for fields in ({"delivery": delivery()}, {"event": "pbx:1"}, {"delivery": delivery(), "rules": RULES + "\n"}):
            answer = await browser.post(TWIN, json=fields, headers={**SAME, "x-csrf-token": token})
            assert answer.json()["judgement"]["events"]
        store.watching = False
    assert store.asked <= Watched.READINGS
    assert store.asked
    assert {key: await store.get(key) for key in before} == before
    assert console.desk.portals is None


async def test_try_is_refused_when_another_one_does_not_end() -> None:
    """Who tries while another try keeps the processor busy hears so after a while, and the rest of the console answers."""
    console = await opened(apart=Apart(patience=0.01))
    may_end = threading.Event()
    busy = asyncio.create_task(console.desk.apart.do(lambda: may_end.wait(60)))
    await asyncio.sleep(0)
    told = await tried(console, delivery=delivery())
    assert told["judgement"] is None
    assert "try again in a minute" in told["problem"]["text"]
    async with console.operator() as browser:
        assert (await browser.get("/console/api/v1/events.json")).status_code == 200
    may_end.set()
    await busy


async def test_rules_for_other_events_are_counted_and_not_all_listed_when_they_are_many() -> None:
    """Of five hundred rules for something else some are listed, and the others are a number."""
    many = "".join(f"  - {{name: order {number}, on: order.paid, badge: missedCall}}\n" for number in range(500))
    console = await opened()
    told = await tried(console, delivery=delivery(), rules=RULES + many)
    (event,) = told["judgement"]["events"]
    assert (len(event["rules"]), event["left_out"]) == (1 + LISTED, 500 - LISTED)
    async with console.operator() as browser:
        page = (await post(browser, delivery=delivery(), rules=RULES + many)).text
    assert "1 of 501 rules matched" in page
    assert f"and {500 - LISTED} more" in page


async def test_rules_that_match_are_counted_and_not_all_told_when_they_are_many() -> None:
    """Two hundred are told, those that match before the others, and how many more there are; all are judged."""
    many = "".join(f"  - {{name: more {number}, on: call.missed, badge: missedCall}}\n" for number in range(MOST_RULES))
    rules = RULES.replace("'+4930'", "'+43'") + many
    console = await opened()
    told = await tried(console, delivery=delivery(), rules=rules)
    (event,) = told["judgement"]["events"]
    assert {rule["result"] for rule in event["rules"]} == {"matched"}
    assert (len(event["rules"]), event["matched"], event["more"]) == (MOST_RULES, MOST_RULES, 1)
    async with console.operator() as browser:
        page = (await post(browser, delivery=delivery(), rules=rules)).text
    assert f"{MOST_RULES} of {MOST_RULES + 1} rules matched" in page
    assert "And 1 more rule for this event that is not listed" in page


@pytest.mark.parametrize("fields", [{}, {"what": "sample"}, {"source": "pbx", "at": "now", "delivery": " "}], ids=str)
async def test_program_is_told_what_is_missing_when_it_sends_nothing_to_judge(fields: dict[str, str]) -> None:
    """As of any field that makes no sense. Rules alone are something: they are checked; and a form is the page again."""
    console = await opened()
    async with console.operator() as browser:
        sent = {**SAME, "x-csrf-token": await csrf(browser, TRY)}
        answer = await browser.post(TWIN, json=fields, headers=sent)
        assert answer.status_code == 400
        assert answer.json() == {
            "error": "nothing is to be judged: send one of event, sample, delivery, or rules to be checked",
            "field": "what",
        }
        assert (await browser.post(TWIN, json={**fields, "rules": RULES}, headers=sent)).status_code == 200
        assert (await post(browser, **fields)).status_code == 200
        assert (await browser.get(TWIN)).status_code == 200


async def test_what_is_chosen_is_judged_whatever_else_is_filled_in() -> None:
    """A delivery that was pasted beside an event's key is judged where somebody says so, and each stays in the form."""
    console = await opened()
    both = {"event": "pbx:1", "delivery": delivery(), "sample": "missed pbx"}
    for what, judged in (("delivery", 7), ("event", 1)):
        told = await tried(console, what=what, **both)
        assert told["judgement"]["events"][0]["event"]["id"] == str(judged)
        assert told["wish"] == {**both, "what": what, "source": "", "at": ""}
    assert (await tried(console, **both))["wish"]["what"] == "event"
    told = await tried(console, what="sample", delivery=delivery())
    assert (told["judgement"], told["problem"]["field"]) == (None, "sample")
    assert (await tried(console, what="nothing", **both))["problem"]["field"] == "what"
    async with console.operator() as browser:
        page = (await post(browser, what="delivery", **both)).text
    assert re.findall(r'name="what" value="(\w+)" checked', page) == ["delivery"]


async def test_lines_of_the_rules_are_numbered_without_a_script() -> None:
    """A mistake that is named by its line is found by its number, and there is room to write more."""
    console = await opened()
    async with console.operator() as browser:
        page = (await browser.get(TRY, headers=BROWSER)).text
    numbers = re.search(r'aria-hidden="true">([\d\s]+)</pre>', page)
    rows = re.search(r'name="rules" rows="(\d+)"', page)
    assert numbers
    assert rows
    assert numbers[1].split() == [str(number) for number in range(1, int(rows[1]) + 1)]
    assert int(rows[1]) > RULES.count("\n") + 1


async def test_token_of_an_installed_application_verifies_and_is_not_shown() -> None:
    """A source whose secret came with the installation is tried with it; nobody sees the token."""
    telephony = RULES.replace("badges:\n", "  office: {provider: bitrix24}\nbadges:\n")

    async def tokens(source: str) -> tuple[str, ...]:
        return ("t0ken-of-the-application",) if source == "office" else ()

    console = await opened(rules=telephony, tokens=tokens)
    told = await tried(console, sample="missed office")
    (one,) = told["judgement"]["deliveries"]
    assert one["verified"]
    assert told["judgement"]["events"][0]["event"]["type"] == "call.missed"
    assert "t0ken" not in json.dumps(told)
    without = await tried(await opened(rules=telephony), sample="missed office")
    assert "not known before the application is installed" in without["problem"]["text"]


async def test_hostile_rules_cost_little_and_change_nothing() -> None:
    """A file that is too large or too deep is refused by the loader as at any other place."""
    console = await opened()
    for rules in ("x" * (1024 * 1024 + 1), "[" * 2_000, "a: &a [*a, *a]", "\x00", "{" * 40 + "}" * 40):
        told = await tried(console, delivery=delivery(), rules=rules)
        assert told["findings"]
        assert told["judgement"] is None


async def test_text_of_a_form_is_sent_back_as_it_was_written() -> None:
    """Also its marks for the direction of text, which a signature covers and an Arabic title has; they turn nothing
    outside of their field.
    """
    console = await opened()
    rules = RULES.replace("value: Missed", 'value: "\u200fMissed"')
    assert rules != RULES
    async with console.operator() as browser:
        token = await csrf(browser, TRY)
        given = {"delivery": '{"a": "\u202e"}', "rules": rules, CSRF_FIELD: token}
        answer = await browser.post(TRY, data=given, headers={**SAME, **BROWSER})
    assert answer.status_code == 200
    assert "{&#34;a&#34;: &#34;\u202e&#34;}</textarea>" in answer.text
    assert "\u200fMissed" in answer.text
