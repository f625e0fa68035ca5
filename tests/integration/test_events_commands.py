"""`events list`, `events redrive` and `stats` over a store that has something of everything."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from badge_bridge import redriving
from badge_bridge.events import Event, customer_join
from badge_bridge.outcomes import Outcome
from badge_bridge.store import open_store
from badge_bridge.store.protocol import Accepted, Attachment, Settlement, Store
from support.commands import Run, commands

ANN, BOB = "+4930901820", "+4930901821"
RULES = """
portals: {main: {webhook: "${HOOK}"}}
sources:
  reception: {provider: zoom, secrets: ["${TOKEN}"], country: DE}
  shop: {provider: zoom, secrets: ["${TOKEN}"]}
badges: {missed: {title: Call, value: Missed, type: failure}}
rules: [{name: missed call, on: call.missed, badge: missed}]
"""
# Key, source, type, hours ago, customer, state, outcome.
EVENTS: Sequence[tuple[str, str, str, float, str, str, str]] = [
    ("reception:1", "reception", "call.missed", 30, ANN, "dead", "failed"),
    ("reception:2", "reception", "call.missed", 3, ANN, "done", "badged"),
    ("reception:3", "reception", "call.answered", 2.5, BOB, "ignored", ""),
    ("shop:4", "shop", "order.paid", 1.5, "", "dead", "failed"),
    ("reception:5", "reception", "call.missed", 1, BOB, "dead", "failed"),
    ("reception:6", "reception", "call.missed", 0.5, ANN, "waiting", ""),
]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    asyncio.run(fill(tmp_path / "state.db"))
    with commands(monkeypatch, capsys, tmp_path, {"STATE": "sqlite:///state.db"}) as run:
        yield run


async def fill(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    await store.open()
    now = time.time()
    for key, source, kind, hours, customer, state, result in EVENTS:
        at = now - hours * 3600
        event = Event(
            id=key, source=source, provider="zoom", type=kind, time=datetime.fromtimestamp(at, UTC), caller=customer
        )
        joins = (customer_join(customer),) if customer else ()
        await store.accept([Accepted(key, event, "token", at, joins)])
        if state != "waiting":
            await settle(store, key, at, state, result)
    await store.attach(
        Attachment("reception:2", "missed call", "main", "bb_missed", 2, 41, now - 10_800, "", "{}", activity=7)
    )
    await store.close()


async def settle(store: Store, key: str, at: float, state: Any, result: Any) -> None:
    claim = await store.claim(key, now=at, lease=60)
    assert claim is not None
    outcomes = (Outcome(rule="missed call", result=result, badge="bb_missed", owner="deal 41"),) if result else ()
    reason = "the portal refuses the title" if state == "dead" else ""
    await store.settle(claim, Settlement(state=state, ended_at=at + 1, reason=reason, outcomes=outcomes))


def listed(run: Run, *filters: str) -> list[str]:
    code, out, err = run("events", "list", "--json", *filters)
    assert code == 0, err
    return [row["key"].partition(":")[2] for row in json.loads(out)]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], "654321"),
        (["--phone", ANN], "621"),
        (["--phone", "030 / 90 18 20"], "621"),
        (["--phone", "0049 30 901821"], "53"),
        (["--since", "2h"], "654"),
        (["--since", "4h", "--until", "2 hours ago"], "32"),
        (["--source", "shop"], "4"),
        (["--type", "call.missed"], "6521"),
        (["--in", "dead"], "541"),
        (["--rule", "missed call"], "5421"),
        (["--outcome", "failed"], "541"),
        (["--rule", "missed call", "--outcome", "badged"], "2"),
        (["--phone", BOB, "--in", "dead", "--since", "2h", "--outcome", "failed"], "5"),
        (["--phone", "+4930999999"], ""),
    ],
    ids=lambda one: " ".join(one) or "all",
)
def test_list_has_the_events_that_all_filters_mean(run: Run, filters: list[str], found: str) -> None:
    """The newest first; a number may be written as at home, and a time as people say it."""
    assert "".join(listed(run, *filters)) == found


def test_list_tells_what_came_of_each(run: Run, tmp_path: Path) -> None:
    """Of what is done where its badge is, also when it was taken off since; of others why they are not done."""
    rows = {row.split()[2]: row for row in run("events", "list")[1].splitlines()[1:]}
    assert rows["reception:2"].endswith("done     1      Badge bb_missed is on deal 41.")
    assert rows["reception:5"].endswith("dead     1      the portal refuses the title")
    asyncio.run(take_off(tmp_path / "state.db"))
    (_, row) = run("events", "list", "reception:2")[1].splitlines()
    assert row.endswith("Badge bb_missed was on deal 41, and was taken off since.")


async def take_off(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    await store.open()
    assert await store.close_attachment("reception:2", "missed call", now=time.time())
    await store.close()


def test_number_is_asked_for_with_its_country_when_the_rules_file_has_mistakes(run: Run, tmp_path: Path) -> None:
    """Which country it is of without one is told by the rules; after the mistakes it is said what needs none."""
    (tmp_path / "rules.yaml").write_text(RULES.replace("badges:", "badgse:"), "utf-8")
    assert "".join(listed(run, "--phone", ANN)) == "621"
    code, out, err = run("events", "list", "--phone", "030 / 90 18 20")
    assert (code, out) == (1, "")
    first, *_, last = err.splitlines()
    assert first.startswith("rules.yaml:")
    assert last == (
        "badge-bridge: 030 / 90 18 20 is read as in the country of a source, which the rules file tells; "
        "with + and the digits of its country a number needs no rules file"
    )


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["--outcome", "lost"], "there is no outcome 'lost'; known are ensured, badged"),
        (["--outcome", "bagded"], "there is no outcome 'bagded'; did you mean 'badged'?"),
        (["--in", "dea"], "there is no state 'dea'; did you mean 'dead'?"),
        (["--since", "soon"], "'soon' is no time; write it such as 2h"),
        (["--since", "1h", "--until", "2h"], "until 2h is not later than since 1h"),
        (["--phone", "12"], "'12' is no telephone number"),
        (["reception:1", "--in", "dead"], "either keys of some, or filters"),
        (["reception:1", "--before", "1:x"], "either keys of some, or filters"),
        (["--state", "dead"], "for the events that are dead write --in dead"),
        (["--state", "waitng"], "for the events that are waiting write --in waiting"),
        (["--limit", "many"], "this must be a whole number"),
        (["--limit", "0"], "this must be 1 or more"),
        (["--before", "yesterday"], "'yesterday' is no place in the list"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else None,
)
def test_filter_that_makes_no_sense_is_refused(run: Run, filters: list[str], said: str) -> None:
    """With what can be written instead, and exit code 2."""
    code, out, err = run("events", "list", *filters)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["--source", "recepton"], "the rules file has no source 'recepton'; did you mean 'reception'?"),
        (["--type", "call.mised"], "no rule is for events of the type 'call.mised'; did you mean 'call.missed'?"),
        (["--rule", "nope"], "the rules file has no rule 'nope'; known are missed call"),
        (["--phone", "17139"], "+4917139 was looked for as a whole number; a part of one finds nothing"),
        (["--phone", "4917139200011"], "+4917139200011 was looked for as a whole number"),
        (["--phone", ANN, "--source", "shop"], f"{ANN} has events, the latest was received "),
        (["--phone", ANN, "--source", "shop", "--in", "done"], ": leave out --source and --in\n"),
        (["--phone", "+4930901829", "--in", "dead"], "+4930901829 was looked for as a whole number"),
        (["--phone", "nobody"], "'nobody' is neither a telephone number nor an e-mail address"),
        (["reception:f"], "no event's key begins with reception:f"),
        (["--in", "joined"], ""),
        (["--phone", "anna@example.com", "--type", "call.busy"], ""),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else None,
)
def test_what_may_be_mistyped_is_said_when_nothing_is_found(run: Run, filters: list[str], said: str) -> None:
    """It is looked for all the same: an event may have come under older rules."""
    code, out, err = run("events", "list", *filters)
    assert (code, out) == (0, "No events. (badge-bridge events list without filters shows the latest)\n")
    assert said in err
    assert bool(err) == bool(said)
    assert run("events", "list", "--json", *filters)[1:] == ("[]\n", err)


def test_rule_is_meant_by_a_name_that_looks_the_same(run: Run, tmp_path: Path) -> None:
    """Its accent is a part of its letter on one keyboard, and stands behind it on another one."""
    (tmp_path / "rules.yaml").write_text(RULES.replace("missed call", "e\u0301te\u0301"), "utf-8")
    assert run("events", "list", "--rule", "\u00e9t\u00e9")[2] == ""
    assert "no rule" in run("events", "list", "--rule", "\u00e9ta")[2]


def test_what_was_redriven_in_vain_may_be_mistyped(run: Run) -> None:
    """As in a list."""
    code, out, err = run("events", "redrive", "--source", "recepton", "--yes")
    assert (code, out[:15]) == (0, "No ended events")
    assert "did you mean 'reception'?" in err


def test_list_has_an_old_source_when_events_of_it_are_there(run: Run, tmp_path: Path) -> None:
    """Nothing is wrong then, and nothing is said."""
    (tmp_path / "rules.yaml").write_text(RULES.replace("shop:", "store:"), "utf-8")
    assert listed(run, "--source", "shop") == ["4"]
    assert run("events", "list", "--source", "shop")[2] == ""


def test_list_has_the_events_whose_keys_are_given(run: Run) -> None:
    """In full, or as much as one remembers of them; newest first."""
    assert listed(run, "reception:2") == ["2"]
    assert listed(run, "reception:", "shop:4") == ["6", "5", "3", "2", "1", "4"]
    code, out, err = run("events", "list", "reception:", "--limit", "2", "--json")
    assert (code, len(json.loads(out))) == (0, 2)
    assert "type more of the key that is meant" in err


def test_list_of_a_store_that_has_nothing_says_so(run: Run, tmp_path: Path) -> None:
    """That nothing came is another answer than that nothing matches."""
    asyncio.run(made_empty(tmp_path / "empty.db"))
    for filters in ([], ["--source", "recepton"]):
        out, err = run("events", "list", "--state", f"sqlite:///{tmp_path}/empty.db", *filters)[1:]
        assert (out, err) == ("No events: nothing was received yet.\n", "")


async def made_empty(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    await store.open()
    await store.close()


def test_list_goes_on_where_the_page_before_ended(run: Run) -> None:
    """What to add is told beside the list, so that scripts do not read it; the last page tells nothing."""
    found = ""
    options: list[str] = []
    for _ in range(len(EVENTS)):
        code, out, err = run("events", "list", "--limit", "4", "--json", *options)
        assert code == 0
        found += "".join(row["key"].partition(":")[2] for row in json.loads(out))
        told = re.search(r"older ones: the same with (--before) (\S+)", err)
        if told is None:
            break
        options = [told[1], told[2]]
    assert found == "654321"


def test_list_says_which_time_was_understood(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In local time, which the table has as well, and in UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        out = run("events", "list", "--since", "2026-01-31 18:00")[1]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert out.startswith("received since 2026-01-31 18:00:00 JST (09:00:00 UTC)\n")
    assert "received (JST)" in out


def test_redrive_of_a_query_asks_and_tries_all_of_it_again(run: Run) -> None:
    """How many and in which states is shown before; what has not ended is not meant."""
    code, _, err = run("events", "redrive", "--since", "2h", typed="y\n")
    assert code == 0
    assert "Try 2 events again (2 dead), with the rules of now?" in err
    assert listed(run, "--in", "waiting") == ["6", "5", "4"]
    assert listed(run, "--in", "dead") == ["1"]


MAIN_RESTS = re.compile(
    r"main is paused for another 1[45] min: what needs it is tried when the pause ends, by itself or by "
    r"`badge-bridge resume main`; anything else at once\.\n"
)


def test_redrive_says_that_a_pause_is_waited_for(run: Run, tmp_path: Path) -> None:
    """In the words of the console: before it asks, else after it was done; of nothing that is tried, nothing."""
    asyncio.run(pause(tmp_path / "state.db", "main", 900))
    code, _, err = run("events", "redrive", "--in", "dead", typed="n\n")
    assert code == 1
    assert MAIN_RESTS.search(err)
    assert err.index("main is paused") < err.index("Try 3 events again")
    out = run("events", "redrive", "reception:1")[1]
    assert out.startswith("reception:1: will be tried again, with the rules of now\nmain is paused")
    assert MAIN_RESTS.search(out)
    assert "paused" not in "".join(run("events", "redrive", "reception:1")[1:])
    out = run("events", "redrive", "--in", "dead", "--yes")[1]
    assert MAIN_RESTS.fullmatch(out.removeprefix("2 events will be tried again, with the rules of now\n"))


def test_redrive_does_without_the_pauses_when_the_rules_file_has_mistakes(run: Run, tmp_path: Path) -> None:
    """Which portals there are is told by the rules; the event is tried again all the same."""
    asyncio.run(pause(tmp_path / "state.db", "main", 900))
    (tmp_path / "rules.yaml").write_text("nothing", "utf-8")
    told = run("events", "redrive", "reception:1")
    assert told == (0, "reception:1: will be tried again, with the rules of now\n", "")


async def pause(path: Path, lane: str, seconds: float) -> None:
    store = open_store(f"sqlite:///{path}")
    await store.open()
    await store.pause(lane, until=time.time() + seconds, reason="OVERLOAD_LIMIT: blocked")
    await store.close()


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("", 130)])
def test_redrive_of_a_query_changes_nothing_when_it_is_declined(run: Run, typed: str, code: int) -> None:
    """An end of input is no yes."""
    ended, _, err = run("events", "redrive", "--in", "dead", typed=typed)
    assert ended == code
    assert "Nothing was changed." in err
    assert listed(run, "--in", "dead") == ["5", "4", "1"]


def test_redrive_of_a_query_needs_a_yes_where_nobody_can_be_asked(run: Run) -> None:
    """A script says so beforehand."""
    code, _, err = run("events", "redrive", "--in", "dead")
    assert code == 2
    assert "add --yes" in err
    code, out, _ = run("events", "redrive", "--in", "dead", "--yes")
    assert (code, out) == (0, "3 events will be tried again, with the rules of now\n")
    assert listed(run, "--in", "dead") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say which events"),
        (["reception:1", "--in", "dead"], "say which events"),
        (["--in", "waiting", "--yes"], "an event that is waiting has not ended"),
        (["--in", "waiting"], "an event that is waiting has not ended"),
        (["--in", "dead", "--with", "thn"], "'thn' is none of then, now; did you mean then?"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else None,
)
def test_redrive_says_what_it_needs(run: Run, arguments: list[str], said: str) -> None:
    """Keys or filters, and events that have ended; with exit code 2 nothing was done."""
    code, _, err = run("events", "redrive", *arguments)
    assert code == 2
    assert said in err


def test_redrive_says_so_where_a_query_means_nothing(run: Run) -> None:
    """There is nothing to ask, and nothing wrong."""
    code, out, _ = run("events", "redrive", "--source", "nobody", "--yes")
    assert code == 0
    assert "No ended events are meant by that" in out


def test_redrive_of_a_query_counts_what_it_had_to_leave(run: Run) -> None:
    """Their rules of then were never kept, so each says so, and the exit code is 1."""
    code, out, _ = run("events", "redrive", "--in", "dead", "--yes", "--with", "then")
    assert code == 1
    assert "reception:5: no attempt at it was judged by rules" in out
    assert "0 events will be tried again, with the rules of then" in out


def test_stats_count_what_came_and_what_is_left(run: Run) -> None:
    """By source and state, by rule and outcome, badges on cards; and beside the period what waits and is dead."""
    code, out, _ = run("stats", "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["events"], told["attempts"]) == (5, 4)
    assert told["sources"] == [
        {"source": "reception", "type": "call.answered", "states": {"ignored": 1}},
        {"source": "reception", "type": "call.missed", "states": {"dead": 1, "done": 1, "waiting": 1}},
        {"source": "shop", "type": "order.paid", "states": {"dead": 1}},
    ]
    assert told["rules"] == [{"rule": "missed call", "results": {"badged": 1, "failed": 2}}]
    assert told["badges"] == [{"portal": "main", "badge": "bb_missed", "count": 1}]
    now = told["now"]
    assert (now["waiting"], now["working"], now["dead"]) == (1, 0, 3)
    waited = time.time() - datetime.fromisoformat(now["oldest_waiting"]).timestamp()
    assert 1800 <= waited < 2400


def test_stats_count_a_call_of_several_legs_once(run: Run, tmp_path: Path) -> None:
    """What the heading counts is what `events list` shows; how many legs there were stands beside it."""
    asyncio.run(add_legs(tmp_path / "state.db", 2))
    told = json.loads(run("stats", "--json")[1])
    assert (told["events"], told["legs"]) == (5, 2)
    out = run("stats")[1]
    assert re.match(r"5 events received since .+, beside 2 legs of calls\n", out)
    assert len(listed(run)) == 6


async def add_legs(path: Path, count: int) -> None:
    store = open_store(f"sqlite:///{path}")
    await store.open()
    now = time.time()
    for number in range(count):
        leg = Event(
            id=f"{number}", source="reception", provider="zoom", type="call.leg", time=datetime.fromtimestamp(now, UTC)
        )
        await store.accept([Accepted(f"reception:leg{number}", leg, "token", now)])
        await settle(store, f"reception:leg{number}", now, "joined", None)
    await store.close()


def test_stats_are_of_the_period_that_is_asked_for(run: Run) -> None:
    """Badges too; what waits is told of now, whatever the period."""
    told = json.loads(run("stats", "--since", "2d", "--until", "4h", "--json")[1])
    assert told["events"] == 1
    assert told["badges"] == []
    assert told["now"]["waiting"] == 1
    assert run("stats", "--since", "1h", "--until", "2h")[0] == 2


def test_stats_are_shown_as_tables(run: Run) -> None:
    """With what to do about the dead, and when the oldest that waits was received."""
    code, out, _ = run("stats")
    assert code == 0
    assert out.startswith("5 events received since ")
    assert re.search(r"reception +call\.missed +1 +- +1 +- +- +1 +3\n", out)
    assert re.search(r"missed call +- +1 +- +- +2 +3\n", out)
    assert re.search(r"main +bb_missed +1\n", out)
    assert "1 waiting, the oldest received 30 min ago, at " in out
    assert "3 dead: badge-bridge events list --in dead shows them" in out


def test_stats_of_nothing_say_so(run: Run) -> None:
    """A quiet minute is no table of nothing."""
    out = run("stats", "--since", "1s")[1]
    assert "0 events received since" in out
    assert "No events." in out


def test_interrupted_redrive_says_how_the_rest_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the same filters: what was tried again may have ended as it had before, and would be found again."""
    monkeypatch.setattr(redriving, "_SIDE_BY_SIDE", 1)
    redrive = redriving.redrive

    async def interrupted(store: Store, key: str, **options: Any) -> Any:
        if key == "reception:5":
            raise KeyboardInterrupt
        return await redrive(store, key, **options)

    with monkeypatch.context() as patched:
        patched.setattr(redriving, "redrive", interrupted)
        code, _, error = run("events", "redrive", "--in", "dead", "--yes")
    assert code == 130
    assert "interrupted; 2 of 3 are tried again. For the rest, do the same with --since " in error
    since = error.split()[-1]
    code, output, _ = run("events", "redrive", "--in", "dead", "--since", since, "--yes")
    assert (code, output.splitlines()[-1]) == (0, "1 event will be tried again, with the rules of now")
