"""The auditor of `make chaos`: what it says to made-up books, each with one thing wrong."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from chaos.audit import Card, audit, audit_dead, expected_on_cards
from chaos.books import Activity, Attachment, Attempt, Event, Sent, Store, places_in_file
from chaos.calls import FIRST_ITEM, Call, Customer
from support.programs import ROOT

ANNA, BORIS, STRANGER = Customer(1, FIRST_ITEM + 1), Customer(2, FIRST_ITEM + 2), Customer(3, None)
MISSED = Call("m1", "shop", ANNA, "missed", 100)
ANSWERED = Call("a1", "pbx", ANNA, "answered", 160)
LATER = Call("m2", "portal", BORIS, "missed", 200)
RINGING = Call("m3", "reception", BORIS, "missed", 300)
UNKNOWN = Call("m4", "gate", STRANGER, "missed", 400)
FORGED = Call("f1", "shop", ANNA, forgery="unsigned")


@dataclass
class Books:
    """Three books that agree: a call that was returned, one that was not, one that a leg tells of, a stranger's."""

    calls: list[Call] = field(default_factory=lambda: [MISSED, ANSWERED, LATER, RINGING, UNKNOWN, FORGED])
    heard: list[str] = field(default_factory=lambda: ["m1", "a1", "m2", "m3", "m4"])
    events: list[Event] = field(
        default_factory=lambda: [
            event(MISSED, attempts=2),
            event(ANSWERED),
            event(LATER),
            replace(event(RINGING, "joined"), key="leg", type="call.leg"),
            event(RINGING),
            event(UNKNOWN, "ignored"),
        ]
    )
    attempts: list[Attempt] = field(
        default_factory=lambda: [
            Attempt("m1", 1, 0.0, "waiting"),
            Attempt("m1", 2, 0.0, "done"),
            *(Attempt(key, 1, 0.0, "done") for key in ("a1", "m2", "leg", "m3", "m4")),
        ]
    )
    attachments: list[Attachment] = field(
        default_factory=lambda: [
            Attachment("m1", "missed call", 1, closed=True),
            Attachment("m2", "missed call", 2, closed=False),
            Attachment("m2", "follow up", 3, closed=False),
            Attachment("m3", "missed call", 4, closed=False),
        ]
    )
    activities: list[Activity] = field(
        default_factory=lambda: [
            Activity(1, (2, FIRST_ITEM + 1), "Missed call m1", completed=True),
            Activity(2, (2, FIRST_ITEM + 2), "Missed call m2", completed=False),
            Activity(3, (2, FIRST_ITEM + 2), "Follow up m2", completed=False),
            Activity(4, (2, FIRST_ITEM + 2), f"Missed call {RINGING.event_id}", completed=False),
        ]
    )

    def found(self) -> list[str]:
        sent = Sent(begun={call.id: call for call in self.calls})
        sent.heard.update(self.heard)
        return audit(sent, Store(self.events, self.attempts, self.attachments), self.activities)


def event(call: Call, state: str = "done", *, attempts: int = 1) -> Event:
    return Event(call.id, call.source, f"call.{call.outcome}", call.event_id, state, "", attempts=attempts, failures=0)


def test_nothing_is_found_when_the_books_agree() -> None:
    """With a repeat of a delivery, and one that nobody has heard a 2xx for although it was written."""
    assert Books().found() == []
    assert Books(heard=["m1", "m1", "m2"]).found() == []


def test_a_call_that_was_never_answered_2xx_may_be_missing() -> None:
    """Its sender sends once, and heard nothing."""
    books = Books()
    books.calls.append(Call("m9", "portal", ANNA, "missed", 500))
    assert books.found() == []


def lose_event(books: Books) -> None:
    books.events = [one for one in books.events if one.key != "m4"]
    books.attempts = [one for one in books.attempts if one.key != "m4"]


def double_event(books: Books) -> None:
    books.events.append(replace(event(UNKNOWN, "ignored"), key="m4 again"))
    books.attempts.append(Attempt("m4 again", 1, 0.0, "ignored"))


def store_forged(books: Books) -> None:
    books.events.append(event(FORGED))
    books.attempts.append(Attempt("f1", 1, 0.0, "done"))


def store_unsent(books: Books) -> None:
    books.calls.remove(UNKNOWN)
    books.heard.remove("m4")


def leave_open(books: Books) -> None:
    books.events[0] = event(MISSED, "waiting", attempts=2)


def ignore_missed(books: Books) -> None:
    books.events[0] = event(MISSED, "ignored", attempts=2)


def never_judge(books: Books) -> None:
    books.events = [one for one in books.events if one.key != "m3"]
    books.attempts = [one for one in books.attempts if one.key != "m3"]


def leave_attempt_open(books: Books) -> None:
    books.attempts[0] = replace(books.attempts[0], result="working")


def drop_attempt(books: Books) -> None:
    del books.attempts[0]


def double_activity(books: Books) -> None:
    books.activities.append(replace(books.activities[1], id=9))


def lose_activity(books: Books) -> None:
    del books.activities[1], books.attachments[1]


def misplace(books: Books) -> None:
    books.activities[1] = replace(books.activities[1], owner=(2, FIRST_ITEM + 1))


def leave_badge(books: Books) -> None:
    books.activities[0] = replace(books.activities[0], completed=False)
    books.attachments[0] = replace(books.attachments[0], closed=False)


def take_badge(books: Books) -> None:
    books.activities[1] = replace(books.activities[1], completed=True)
    books.attachments[1] = replace(books.attachments[1], closed=True)


def add_strange(books: Books) -> None:
    books.activities.append(Activity(9, (2, FIRST_ITEM + 1), "Missed call f1", completed=False))


def forget_activity(books: Books) -> None:
    books.attachments[1] = replace(books.attachments[1], activity=None)


def contradict(books: Books) -> None:
    books.attachments[1] = replace(books.attachments[1], closed=True)


def share_activity(books: Books) -> None:
    books.attachments[2] = replace(books.attachments[2], activity=2)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_event, "lost: m4 (gate) was answered 2xx and is not in the store"),
        (double_event, "doubled: m4 (gate) is 2 events"),
        (store_forged, "forged: f1 (unsigned, shop) is in the store"),
        (store_unsent, "strange: m4 (m4) is in the store and was never sent"),
        (leave_open, "ended badly: m1 (m1) is waiting: "),
        (ignore_missed, "ended badly: m1 (m1) is ignored: "),
        (never_judge, f"ended badly: {RINGING.event_id} (reception) was never judged"),
        (leave_attempt_open, "attempts: number 1 of m1 has no end"),
        (drop_attempt, "attempts: m1 counts 2 and has the numbers [2]"),
        (double_activity, "doubled: 'Missed call m2' is on cards 2 times"),
        (lose_activity, "lost: 'Missed call m2' is on no card"),
        (misplace, "misplaced: 'Missed call m2' is not on the card (2, 1002)"),
        (leave_badge, "not cleared: 'Missed call m1' is still open, and the customer was spoken to later"),
        (take_badge, "cleared: 'Missed call m2' was completed, and nobody has spoken to the customer since"),
        (add_strange, "strange: 'Missed call f1' is on cards 1 times, and belongs to no missed call"),
        (forget_activity, "ledger: m2 (missed call) may be attached, and nobody knows"),
        (contradict, "ledger: activity 2 of m2 is not as the ledger says"),
        (share_activity, "ledger: activity 2 is known 2 times"),
    ],
)
def test_audit_says_so_when_one_thing_is_wrong(spoil: Callable[[Books], None], said: str) -> None:
    """In a sentence that names the thing and what is wrong with it."""
    books = Books()
    spoil(books)
    assert said in books.found()


def test_what_the_load_was_wrongly_told_is_a_finding() -> None:
    """As an answer that no sender should ever hear."""
    assert audit(Sent(wrong=["f1 was answered 204"]), Store([], [], []), []) == ["f1 was answered 204"]


def test_a_call_is_cleared_by_the_order_of_calls_and_not_of_telling() -> None:
    """By a later answered call of the same customer, whenever that was told of; the follow up stays."""
    answered = Call("a", "gate", BORIS, "answered", 250)
    assert expected_on_cards([answered, RINGING, LATER]) == [
        Card((2, FIRST_ITEM + 2), f"Missed call {RINGING.event_id}", cleared=False),
        Card((2, FIRST_ITEM + 2), "Missed call m2", cleared=True),
        Card((2, FIRST_ITEM + 2), "Follow up m2", cleared=False),
    ]


def test_an_event_may_be_dead_only_when_something_struck_that_makes_it_so() -> None:
    """A refusal for good that was ordered, or too many failures; the rest is a finding."""
    dead = replace(event(MISSED, "dead"), reason="portal main: 400 wrong_type_value: no such type")
    assert audit_dead([dead], ["WRONG_TYPE_VALUE"]) == []
    assert audit_dead([replace(dead, failures=8)], []) == []
    assert audit_dead([dead], ["VALUE"]) == [f"dead without a cause: m1: {dead.reason}"]
    nameless = replace(dead, reason="portal main: crm.item.list was answered with an error without a code (HTTP 400)")
    assert audit_dead([nameless], ["empty-error"]) == []
    other = replace(dead, reason="portal main: activity 9 was made by another application, and so on")
    assert audit_dead([other], ["ERROR_WRONG_APPLICATION"]) == []
    assert audit_dead([other], ["WRONG_TYPE_VALUE"]) == [f"dead without a cause: m1: {other.reason}"]


def test_the_auditor_uses_nothing_of_the_package() -> None:
    """Neither directly nor by way of what it imports: a mistake of the bridge's must not excuse itself."""
    look = (
        "import sys, chaos.audit, chaos.watch; print([name for name in sys.modules if name.startswith('badge_bridge')])"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    said = subprocess.run([sys.executable, "-c", look], env=environ, capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"


def test_text_is_found_wherever_it_is_in_a_file(tmp_path: Path) -> None:
    """In any column of any table, as a part of it."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("CREATE TABLE events (key, event)")
        connection.execute("CREATE TABLE joins (value, day)")
        connection.execute("INSERT INTO events VALUES ('shop:1', '{\"caller\": \"+4930901820\"}')")
        connection.execute("INSERT INTO joins VALUES ('customer +4930901820', 1), ('customer +4930901821', 1)")
        connection.commit()

    assert places_in_file(tmp_path / "state.db", "30901820") == ["events.event", "joins.value"]
    assert places_in_file(tmp_path / "state.db", "30901829") == []
