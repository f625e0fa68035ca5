"""The console's JSON: what the command line prints, page by page."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from badge_bridge.console.desk import Desk
from badge_bridge.console.pages import Pages
from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import Event, customer_join
from badge_bridge.life import life, summary
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Listing
from support.operators import read_rules, settled

START = 1_795_345_200.0
LIST = "/console/api/v1/events.json"


class Away(MemoryStore):
    async def list(self, *_: object, **__: object) -> Listing:
        raise StoreUnavailable("away")


async def filled(store: MemoryStore) -> MemoryStore:
    """Five missed calls, two of them at the same moment, and an order."""
    await store.open()
    for number, seconds in enumerate((0.0, 1.25, 1.25, 2.0, 3.0)):
        await add(store, f"pbx:{number}", seconds, "pbx", "call.missed")
    await add(store, "shop:a:b/c", 9.0, "shop", "order.paid")
    return store


async def add(store: MemoryStore, key: str, seconds: float, source: str, type_: str) -> None:
    moment = datetime.fromtimestamp(START + seconds, UTC)
    event = Event(id=key, source=source, provider="generic", type=type_, time=moment, caller="+4930901820")
    await store.accept([Accepted(key, event, "bearer", START + seconds, (customer_join(event.customer),))])


async def ask(store: MemoryStore, path: str, method: str = "GET", **query: str) -> httpx.Response:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pages = Pages(Desk(store, rules_of_now=read_rules))
        await (await pages.answer(Request(scope, receive), None))(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        return await client.request(method, path, params=query)


async def keys(store: MemoryStore, **query: str) -> list[str]:
    answer = await ask(store, LIST, **query)
    assert answer.status_code == 200, answer.text
    return [event["key"] for event in answer.json()["events"]]


async def test_list_says_what_the_command_line_prints() -> None:
    """Newest first, with the whole number: who may read this may call back. Besides, what came of each, in words."""
    store = await filled(MemoryStore())
    answer = (await ask(store, LIST)).json()
    listed = (await store.list(limit=50)).events
    assert [{**event, **summary(one)} for event, one in zip(answer["events"], listed, strict=True)] == answer["events"]
    assert [event.key for event in listed] == await keys(store)
    assert answer["events"][0]["caller"] == "+4930901820"
    assert answer["events"][0]["came_of"] == "Waits for its first attempt."
    assert (answer["more"], answer["reached"]) == (None, None)


async def test_list_has_joined_legs_when_they_are_asked_for() -> None:
    """By the box, by their type or by their state; else they would bury the calls."""
    store = await filled(MemoryStore())
    await add(store, "pbx:leg", 10.0, "pbx", "call.leg")
    await settled(store, "pbx:leg", at=START + 11, state="joined")
    assert "pbx:leg" not in await keys(store)
    for asked in ({"legs": "1"}, {"type": "call.leg"}, {"state": "joined"}):
        assert "pbx:leg" in await keys(store, **asked)


async def test_list_is_filtered() -> None:
    """By state, source and type; an empty parameter, as a form sends it, is none."""
    store = await filled(MemoryStore())
    assert await keys(store, source="shop") == ["shop:a:b/c"]
    assert await keys(store, type="order.paid") == ["shop:a:b/c"]
    assert await keys(store, state="done") == []
    assert len(await keys(store, state="", source="", type="", limit="", before="")) == 6


async def test_pages_follow_each_other_without_a_gap() -> None:
    """`more` of one page is `before` of the next one, also between two events of the same moment."""
    store = await filled(MemoryStore())
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = (await ask(store, LIST, **query)).json()
        seen += [event["key"] for event in page["events"]]
        if page["more"] is None:
            break
        query["before"] = page["more"]
    assert seen == await keys(store)
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [("outcome", "won"), ("since", "once"), ("until", "9" * 20), ("within", "year"), ("phone", "12"), ("phone", "+" * 501), ("state", "lost"), ("limit", "0"), ("limit", "1001"), ("limit", "many"), ("before", "yesterday"), ("before", "1e99:x"), ("colour", "red")],
)  # fmt: skip
async def test_parameter_that_makes_no_sense_is_named(name: str, value: str) -> None:
    """400 with what is wrong, in JSON."""
    answer = await ask(await filled(MemoryStore()), LIST, **{name: value})
    assert answer.status_code == 400
    assert answer.json()["field"] == name
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("query", "notes"),
    [
        ({"source": "pxb"}, ["the rules file has no source 'pxb'; known are pbx, shop"]),
        ({"type": "call.mised"}, ["no rule is for events of the type 'call.mised'; did you mean 'call.missed'?"]),
        ({"rule": "mised call"}, ["the rules file has no rule 'mised call'; did you mean 'missed call'?"]),
        ({"phone": "abc"}, ["'abc' is neither a telephone number nor an e-mail address, and was looked for as it is written"]),
        ({"phone": "+4930999999"}, ["+4930999999 was looked for as a whole number; a part of one finds nothing, so write all its digits"]),
        ({"phone": "anna@example.com"}, []),
    ],
)  # fmt: skip
async def test_what_may_be_mistyped_is_said_when_nothing_is_found(query: dict[str, str], notes: list[str]) -> None:
    """As the command line does; on an empty store it would be no help."""
    answer = (await ask(await filled(MemoryStore()), LIST, **query)).json()
    assert (answer["events"], answer["notes"]) == ([], notes)
    empty = MemoryStore()
    await empty.open()
    assert (await ask(empty, LIST, **query)).json()["notes"] == ["nothing was received yet"]


async def test_search_of_a_customer_who_has_events_leads_to_all_of_them() -> None:
    """What leaves them out are the other fields; all digits of the number are there."""
    store = await filled(MemoryStore())
    answer = (await ask(store, LIST, phone="030 901820", state="dead", since="2001-01-01")).json()
    assert (answer["events"], answer["notes"]) == ([], [])
    all_of_them = (await ask(store, LIST, phone="+4930901820")).json()
    assert answer["latest"] == all_of_them["events"][0]["received"]
    assert all_of_them["latest"] is None
    assert (await ask(store, LIST, phone="+4930999999", state="dead")).json()["latest"] is None
    page = (await ask(store, "/console/events", phone="030 901820", state="dead")).text
    assert "+4930901820 has events; the latest was received" in page
    assert 'href="/console/events?phone=030+901820">Show all of +4930901820</a>' in page
    assert "write all its digits" not in page


async def test_event_is_found_by_its_key_when_that_is_typed_as_the_phone() -> None:
    """In full, or as much of it as was noted down."""
    store = await filled(MemoryStore())
    for key in ("pbx:feed01", "pbx:feed02"):
        await add(store, key, 20.0, "pbx", "call.missed")
    assert await keys(store, phone="pbx:feed01") == ["pbx:feed01"]
    assert await keys(store, phone="pbx:feed") == ["pbx:feed02", "pbx:feed01"]
    answer = (await ask(store, LIST, phone="pbx:feed", limit="1")).json()
    assert (len(answer["events"]), len(answer["notes"])) == (1, 1)
    refused = await ask(store, LIST, phone="pbx:feed03")
    assert (
        refused.json()["error"]
        == "'pbx:feed03' is no telephone number, and no key of an event that could be found by it"
    )
    assert await keys(store, phone="tel:4930901820") == await keys(store, phone="+4930901820")


async def test_event_is_shown_with_all_that_is_known() -> None:
    """What `events show --json` prints is in it, by the key as the list has it."""
    store = await filled(MemoryStore())
    answer = (await ask(store, "/console/api/v1/events/shop:a:b%2Fc.json")).json()
    stored = await store.get("shop:a:b/c")
    assert stored is not None
    assert {**answer, **life(stored, [])} == answer


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/console/api/v1/events/nobody.json", "GET", 404),
        ("/console/api/v1/events/.json", "GET", 404),
        ("/console/api/v1/events", "GET", 404),
        ("/console/api/events.json", "GET", 404),
        ("/console/nothing", "GET", 404),
        ("/", "GET", 404),
        (LIST, "POST", 405),
        ("/console/api/v1/events/pbx:1.json", "DELETE", 405),
    ],
)
async def test_console_shows_nothing_else_and_changes_nothing(path: str, method: str, status: int) -> None:
    """What is no page is not there, and pages are read."""
    assert (await ask(await filled(MemoryStore()), path, method)).status_code == status


async def test_console_says_so_when_the_store_is_away() -> None:
    """503, and no trace of why for the browser."""
    answer = await ask(await filled(Away()), LIST)
    assert answer.status_code == 503
    assert answer.json() == {"error": "the store cannot be read now"}
