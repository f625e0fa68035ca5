"""Erasing a person from every store, in the way in which the command does it."""

from __future__ import annotations

from dataclasses import replace

from badge_bridge import archive
from badge_bridge.backfill.notebook import note_of
from badge_bridge.backfill.watermark import Mark, Place, Refused, Watermark
from badge_bridge.erasure import NotedAnew, erase, held
from badge_bridge.events import Leg
from badge_bridge.rulesfile import parse
from badge_bridge.sources import OPTIONS
from badge_bridge.spellings import Spellings
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.protocol import Attachment, LegPlace, Store
from support.stores import NOW, claimed, ended, item, noise

PERSON = Spellings("+4930123456")
RULES = parse(
    """
portals: {main: {webhook: "${HOOK}"}}
sources: {s: {provider: zoom, secrets: ["${TOKEN}"]}}
badges: {b: {title: t, value: v, type: failure}}
rules: [{name: r, on: call.missed, badge: b}]
""",
    providers=OPTIONS,
    environ=None,
)


async def fill(store: Store) -> None:
    call = "call\ns\n030123456-7"
    leg = LegPlace(call, "s:judged", ends=True, soon=NOW, late=NOW + 600, most=500)
    told = item("s:leg", type="call.leg", source="s", leg=Leg(call="030123456-7"), joins=(call,), caller="+4930123456")
    await store.accept([replace(told, leg=leg), item("s:long", data={"a": noise(), "b": "+49 (0)30 123456"})])
    await store.accept([item("s:other", caller="+493012345678")])
    for key in ("s:leg", "s:long", "s:other"):
        await store.settle(await claimed(store, key), ended("done"))
    await store.attach(Attachment("s:long", "r", "main", "b", 2, 41, NOW, "customer\n+4930123456", "{}", activity=9))
    await store.write_note(note_of("main"), '{"base": {"id": 7, "call": "030 123456"}}', version=0)


async def test_person_is_erased_from_every_place(store: Store) -> None:
    """What is there is told before, and afterwards nothing of it is found; whoever has a longer number stays."""
    await fill(store)
    there = await held(store, RULES, PERSON)
    assert {trace for trace in there.traces if trace.place != "call"} == {
        Trace("event", "s:leg"),
        Trace("event", "s:long"),
        Trace("ledger", "s:long"),
    }
    assert [(key, card.activity) for key, card in there.on_cards] == [("s:long", 9)]
    assert (there.open, there.on_line) == ([], 0)

    erased = await erase(store, RULES, PERSON, there)

    assert (erased.count("event"), erased.count("ledger"), erased.left) == (2, 1, [])
    assert list(await store.search(PERSON.in_text)) == []
    assert [one.key for one in (await store.list()).events] == ["s:other"]


async def test_badge_is_found_by_its_events_key_when_the_event_is_gone(store: Store) -> None:
    """Retention deletes the event of a badge that is on a card, and some senders make an id of the caller's number."""
    key = "s:rec-030123456-1"
    await store.accept([item(key, caller="")])
    await store.settle(await claimed(store, key), ended())
    await store.attach(Attachment(key, "r", "main", "b", 2, 41, NOW, "same\n7", "{}", activity=9))
    await store.forget(before=NOW + 1_000, limit=10)

    there = await held(store, RULES, PERSON)
    erased = await erase(store, RULES, PERSON, there)

    assert set(there.traces) == {Trace("ledger", key)}
    assert (erased.left, await store.attachments(key)) == ([], [])


async def test_position_in_a_portals_calls_stays_when_a_call_is_erased_from_it(store: Store) -> None:
    """Begun anew, it would be as at the first sight of the portal, and what was lost until now would never be
    fetched.
    """
    his, other = "call.+4930123456.1", "call.+493012345678.1"
    noted = Watermark(
        base=Place(id=7, call=other),
        resume=Place(id=9, call=his),
        marks=(Mark(at=NOW, place=Place(id=8, call=his)), Mark(at=NOW, place=Place(id=9, call=other))),
        refused=Refused(why=f"nobody has {his}", credential="c", until=NOW),
    )
    await store.write_note(note_of("main"), noted.model_dump_json(), version=0)

    erased = await erase(store, RULES, PERSON, await held(store, RULES, PERSON))

    note = await store.note(note_of("main"))
    assert note is not None
    assert Watermark.parse(note.text) == Watermark(
        base=Place(id=7, call=other),
        resume=Place(id=9),
        marks=(Mark(at=NOW, place=Place(id=8)), Mark(at=NOW, place=Place(id=9, call=other))),
    )
    assert {one.portal for one in erased.noted_anew} == {"main"}
    assert erased.left == []


async def test_what_is_noted_of_a_portal_is_begun_anew_when_it_cannot_be_read(store: Store) -> None:
    """That is what fetching would do with it, and it is said."""
    await store.write_note(note_of("main"), "of another version: +4930123456", version=0)

    erased = await erase(store, RULES, PERSON, await held(store, RULES, PERSON))

    (anew,) = erased.noted_anew
    assert anew == NotedAnew("main", anew.how)
    assert anew.how.startswith("another version has written it, so that it is begun anew")
    note = await store.note(note_of("main"))
    assert (note and note.text, erased.left) == ("{}", [])


async def test_note_that_is_no_notebook_stays_and_is_told(store: Store) -> None:
    """A portal's tokens are not lost for some digits in them."""
    await store.write_note("oauth/main", "sealed 030123456 sealed", version=0)

    erased = await erase(store, RULES, PERSON, await held(store, RULES, PERSON))

    assert [left.why for left in erased.left] == [
        "it is a portal's, and not deleted for its digits, which may be there by chance"
    ]
    assert await store.note("oauth/main") is not None
    assert await store.search(PERSON.in_text) == (Trace("note", "oauth/main"),)


async def test_rules_file_of_before_that_names_the_person_is_erased(store: Store) -> None:
    """As a whole, and no event can be redriven with it any more; one that names others stays."""
    named, other = archive.note_of("0123456789abcdef"), archive.note_of("fedcba9876543210")
    await store.write_note(named, "when: event.caller != '+49 30 123456'", version=0)
    await store.write_note(other, "when: event.caller != '+49 30 1234567'", version=0)

    there = await held(store, RULES, PERSON)
    erased = await erase(store, RULES, PERSON, there)

    assert there.traces == [Trace("note", named)]
    assert (erased.count("note"), erased.left) == (1, [])
    assert await store.search(PERSON.in_text) == ()
    assert [await archive.is_kept(store, hash_) for hash_ in ("0123456789abcdef", "fedcba9876543210")] == [False, True]


async def test_rules_file_of_now_that_names_the_person_stays_and_is_told(store: Store) -> None:
    """It would be kept again by the next start; whoever wrote the number there has to take it out."""
    note = archive.note_of(RULES.hash)
    await store.write_note(note, "when: event.caller != '+49 30 123456'", version=0)

    there = await held(store, RULES, PERSON)
    erased = await erase(store, RULES, PERSON, there)

    assert there.traces == []
    assert [(left.what, left.why) for left in erased.left] == [
        (
            f"note {note!r}",
            "it is the rules file of now: take the number out of rules.yaml, start anew with it and erase again",
        )
    ]
