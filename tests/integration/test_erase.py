"""`erase`: what is deleted, what is refused, what is said of what is left, and that the bytes are gone."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.backfill.notebook import note_of
from badge_bridge.backfill.watermark import Place, Watermark
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.protocol import Attachment, Settlement
from badge_bridge.store.sqlite import SqliteStore
from support.commands import Run, commands
from support.stores import NOW, claimed, ended, item

RULES = """
portals: {main: {webhook: "${HOOK}"}}
sources:
  s:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${TOKEN}"]
    country: DE
    event: {type: body.type, id: body.id, caller: body.from}
badges: {missed: {title: Call, value: Missed, type: failure}}
rules: [{name: r, on: call.missed, badge: missed}]
"""
NUMBER, OTHER = "+4930901820", "+4930901821"
SPELLINGS = re.compile(rb"(?<![0-9])(49|0)[ /-]?30[ /-]?901820")
JOIN = f"customer\n{NUMBER}"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Runs `erase` beside a store."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    environ = {"HOOK": "https://acme.bitrix24.com/rest/1/abcdefghijklmnop/", "TOKEN": "pbx-token-0123456789"}
    with commands(monkeypatch, capsys, tmp_path, environ) as run:
        yield partial(run, "erase")


def in_store(folder: Path, work: Callable[[SqliteStore], Coroutine[Any, Any, Any]]) -> Any:
    async def story() -> Any:
        store = SqliteStore(folder / "badge-bridge.db")
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(story())


async def fill(store: SqliteStore) -> None:
    """The person in every place that a store has, and somebody else."""
    await store.accept([item("s:1", caller=NUMBER, joins=(JOIN,), data={"from": "030 901820", "who": "Anna"})])
    await store.accept([item("s:2"), item("s:3", caller=OTHER, joins=(f"customer\n{OTHER}",))])
    outcome = Outcome(rule="r", result="ignored", reason=f"no card of {NUMBER}")
    about = f"of the phone {NUMBER}"
    asked = (Exchange(method="crm.duplicate.findbycomm", about=about, answer="ok", said="nobody", milliseconds=1),)
    for key in ("s:1", "s:2", "s:3"):
        settlement = Settlement(state="done", ended_at=NOW)
        told = replace(settlement, outcomes=(outcome,), asked=asked) if key == "s:2" else settlement
        await store.settle(await claimed(store, key), told)
    for key, number in (("s:1", NUMBER), ("s:3", OTHER)):
        content = json.dumps({"layout": {"title": f"Missed call from {number}"}})
        await store.attach(
            Attachment(key, "r", "main", "bb_missed", 2, 41, NOW, f"customer\n{number}", content, 900, customer=number)
        )
    await store.pause("main", until=NOW + 60, reason=f"nobody has {NUMBER}")
    await store.write_note(note_of("main"), json.dumps({"base": {"id": 7, "call": f"call.{NUMBER}"}}), version=0)


def files_with(folder: Path, pattern: re.Pattern[bytes] = SPELLINGS) -> list[str]:
    return [path.name for path in sorted(folder.iterdir()) if pattern.search(path.read_bytes())]


@pytest.mark.parametrize("written", [NUMBER, "030 901820", "tel:+49-30-901820"])
def test_everything_of_the_person_is_gone_and_nothing_of_anybody_else(run: Run, tmp_path: Path, written: str) -> None:
    """However the number is written, there and here; the bytes of the files say so too."""
    in_store(tmp_path, fill)
    assert files_with(tmp_path)

    code, out, err = run(written, "--yes")

    assert (code, err) == (0, "")
    assert f"{NUMBER}: erased 2 events, 1 event with badges, 1 reason of a pause\n" in out
    assert (
        "taken out of what is noted of the calls of portal main: lost calls are fetched from the same one on as "
        "before, which is no longer named\n"
    ) in out
    assert "every row of sqlite:///badge-bridge.db and every byte of its files were searched afterwards" in out
    assert files_with(tmp_path) == []
    assert files_with(tmp_path, re.compile(rb"Anna")) == []

    async def look(store: SqliteStore) -> Any:
        events = [(one.key, one.event.caller) for one in (await store.list()).events]
        assert [one.rule for one in await store.attachments("s:3")] == ["r"]
        assert await store.accept([item("s:1", caller=NUMBER), item("s:2")]) == [False, False]
        return events, await store.paused(["main"]), await store.note(note_of("main"))

    events, (pause,), note = in_store(tmp_path, look)
    assert events == [("s:3", OTHER)]
    assert (pause.until, pause.reason) == (NOW + 60, "")
    assert Watermark.parse(note.text) == Watermark(base=Place(id=7))


@pytest.mark.parametrize(
    "written",
    [
        "in-100-4930901820-20261127-090000.wav",
        "20261127-090000-030901820-493020304050.wav",
        "030 \u2013 901820",
        "+49&nbsp;30&nbsp;901820",
        "%7B%22from%22%3A%224930901820%22%7D",
        "030901820-12",
    ],
)
def test_number_is_erased_when_a_program_has_written_it_somewhere(run: Run, tmp_path: Path, written: str) -> None:
    """In the name of a recording, in a form, in HTML: what is said to be gone is in no byte of the files."""

    async def calls(store: SqliteStore) -> None:
        await store.accept([item("s:told", data={"note": written}), item(f"s:{written}"), item("s:other")])
        for key in ("s:told", f"s:{written}", "s:other"):
            await store.settle(await claimed(store, key), ended())

    in_store(tmp_path, calls)
    as_stored = re.compile(re.escape(written.encode()) + b"|" + re.escape(json.dumps(written)[1:-1].encode()))
    assert files_with(tmp_path, as_stored)

    code, out, _ = run(NUMBER, "--yes")

    assert (code, out.startswith(f"{NUMBER}: erased 2 events\n")) == (0, True), out
    assert files_with(tmp_path, as_stored) == []
    assert [one.key for one in in_store(tmp_path, lambda store: store.list()).events] == ["s:other"]


def test_time_that_has_the_digits_of_a_number_is_nobodys(run: Run, tmp_path: Path) -> None:
    """Other people's events stay, and what stands in them is not told as left in the file."""
    digits, call = "1795846705", "externalCall.sandbox.1795846705.3"

    async def calls(store: SqliteStore) -> None:
        await store.accept([item("s:his", caller="", data={"phone": digits})])
        await store.accept([item("s:customer", caller=digits, joins=(f"customer\n{digits}",))])
        await store.accept([item("s:call", data={"CALL_ID": call}), item("s:time", data={"sent_at": int(digits)})])
        await store.accept([item("s:order", data={"order_number": digits}, joins=(f"event.id\n{digits}",))])
        for key in ("s:his", "s:customer", "s:call", "s:time", "s:order"):
            await store.settle(await claimed(store, key), ended())
        for key, customer in (("s:his", digits), ("s:call", OTHER)):
            join = f"customer\n{customer}"
            await store.attach(
                Attachment(key, "r", "main", "b", 2, 41, NOW, join, json.dumps({"of": call}), 9, customer=customer)
            )
        await store.write_note(note_of("main"), json.dumps({"base": {"id": 7, "call": call}}), version=0)

    in_store(tmp_path, calls)
    code, out, _ = run(f"+49{digits}", "--yes", "--json")

    told = json.loads(out)
    assert (code, told["left"]) == (0, [])
    assert (told["erased"]["events"], told["erased"]["events_with_badges"]) == (2, 1)
    assert files_with(tmp_path, re.compile(rb"customer\n1795846705|\"(?:phone|caller)\": ?\"1795846705")) == []

    async def look(store: SqliteStore) -> Any:
        note = await store.note(note_of("main"))
        assert note is not None
        return {one.key for one in (await store.list()).events}, note.text, len(await store.attachments("s:call"))

    keys, note, badges = in_store(tmp_path, look)
    assert keys == {"s:call", "s:time", "s:order"}
    assert (call in note, badges) == (True, 1)


def test_what_is_out_of_reach_is_named(run: Run, tmp_path: Path) -> None:
    """The portal with the badges that stay there, backups, logs, and whoever sends events."""
    in_store(tmp_path, fill)

    code, out, _ = run(NUMBER, "--yes", "--json")

    told = json.loads(out)
    assert code == 0
    assert (told["number"], told["left"]) == (NUMBER, [])
    assert told["erased"] == {
        "events": 2,
        "events_with_badges": 1,
        "calls": 0,
        "reasons_of_pauses": 1,
        "rules_files": 0,
    }
    assert sorted(told["keys"]) == ["s:1", "s:2"]
    assert told["of_other_customers"] == []
    assert [one["portal"] for one in told["noted_anew"]] == ["main"]
    (card,) = told["on_cards"]
    assert (card["event"], card["owner"], card["activity"]) == ("s:1", "deal 41", 900)
    for word in ("portal main", "backups", "logs", "provider", "30901820, without what is dialled before it"):
        assert any(word in sentence for sentence in told["out_of_reach"])


def test_nothing_is_found_when_the_person_is_not_known(run: Run, tmp_path: Path) -> None:
    """That is fine, and looked for as well."""
    in_store(tmp_path, fill)
    code, out, err = run("+4930555555", "--yes")
    assert (code, err) == (0, "")
    assert out.startswith("+4930555555: erased nothing\nevery row of ")


@pytest.mark.parametrize(("typed", "exit_code"), [("n\n", 1), ("", 130)])
def test_nothing_is_changed_when_the_question_is_not_answered_with_yes(
    run: Run, tmp_path: Path, typed: str, exit_code: int
) -> None:
    """What there is, and which badges stay on cards, is on the screen by then."""
    in_store(tmp_path, fill)
    code, out, err = run(NUMBER, typed=typed)
    assert (code, out.strip()) == (exit_code, "")
    assert f"{NUMBER}: 2 events, 1 event with badges, 1 reason of a pause" in err
    assert "portal main, deal 41: badge bb_missed, activity 900, of s:1" in err
    assert "Nothing was changed." in err
    assert files_with(tmp_path)


def test_events_are_shown_before_the_question(run: Run, tmp_path: Path) -> None:
    """Ten of them, those of other customers first, and whose those are; a terminal obeys nothing that stands there."""
    others = [f"+49305550{number:02}" for number in range(6)] + ["anna\x1b[2J@a.example"]

    async def calls(store: SqliteStore) -> None:
        told = [item(f"s:his{number}", caller=NUMBER) for number in range(8)]
        told += [item(f"s:no{number}", caller=other, data={"by": NUMBER}) for number, other in enumerate(others)]
        told += [item("s:hidden", caller="", data={"by": NUMBER}), item("s:else", caller=OTHER)]
        await store.accept(told)
        for one in told:
            await store.settle(await claimed(store, one.key), ended())

    in_store(tmp_path, calls)
    code, out, err = run(NUMBER, typed="n\n")

    assert (code, out.strip()) == (1, "")
    lines = err.splitlines()
    heading, *rows = lines[1:12]
    assert all(name in heading for name in ("received", "key", "type", "caller"))
    assert [row.split()[2][:4] for row in rows] == ["s:no"] * 7 + ["s:hi"] * 3
    assert all("call.missed" in row for row in rows)
    assert lines[12] == "and 6 more"
    assert lines[13].startswith("7 of these are of other customers: +4930555000, ")
    assert lines[13].endswith(" and 2 more")
    assert "\x1b" not in err
    assert files_with(tmp_path)

    told = json.loads(run(NUMBER, "--yes", "--json")[1])
    assert len(told["keys"]) == told["erased"]["events"] == 16
    assert {one["customer"]: one["keys"] for one in told["of_other_customers"]} == {
        other: [f"s:no{number}"] for number, other in enumerate(others)
    }


def test_other_customers_are_named_when_nobody_was_asked(run: Run, tmp_path: Path) -> None:
    """Whoever erases with --yes hears of them as well."""

    async def order(store: SqliteStore) -> None:
        await store.accept([item("s:1", caller=OTHER, data={"referred by": NUMBER})])
        await store.settle(await claimed(store, "s:1"), ended())

    in_store(tmp_path, order)
    assert f"erased 1 event\n1 of these is of another customer: {OTHER}\n" in run(NUMBER, "--yes")[1]


def test_nobody_else_is_named_when_all_events_are_the_persons(run: Run, tmp_path: Path) -> None:
    """However the number is written there."""

    async def calls(store: SqliteStore) -> None:
        for key, caller in (("s:1", NUMBER), ("s:2", "030 901820")):
            await store.accept([item(key, caller=caller)])
            await store.settle(await claimed(store, key), ended())

    in_store(tmp_path, calls)
    _, _, err = run(NUMBER, typed="n\n")
    assert f"{NUMBER}: 2 events\n" in err
    assert "of these" not in err
    assert " more" not in err

    _, out, _ = run(NUMBER, "--yes")
    assert "customer" not in out.partition("out of reach")[0]


def test_everything_is_erased_when_the_question_is_answered_with_yes(run: Run, tmp_path: Path) -> None:
    """As with --yes."""
    in_store(tmp_path, fill)
    assert run(NUMBER, typed="y\n")[0] == 0
    assert files_with(tmp_path) == []


def test_yes_is_needed_without_a_terminal(run: Run, tmp_path: Path) -> None:
    """A script must say that it means it."""
    in_store(tmp_path, fill)
    code, _, err = run(NUMBER)
    assert (code, "add --yes" in err) == (2, True)


def test_store_that_is_kept_nowhere_is_refused(run: Run, tmp_path: Path) -> None:
    """It is another one than that of any serve, so that nothing would be proved."""
    code, out, err = run(NUMBER, "--yes", "--state", "memory:")
    assert (code, out) == (2, "")
    assert err == "badge-bridge: erase is for a store that is kept; memory: is kept nowhere\n"


def test_no_secret_is_needed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever erases need not be trusted with what the bridge runs on."""
    in_store(tmp_path, fill)
    monkeypatch.delenv("HOOK")
    monkeypatch.delenv("TOKEN")
    code, out, err = run("030 901820", "--yes")
    assert (code, err) == (0, "")
    assert out.startswith(f"{NUMBER}: erased 2 events")
    assert files_with(tmp_path) == []


@pytest.mark.parametrize("arguments", [("anna",), ()])
def test_command_is_used_wrongly_when_there_is_no_number(run: Run, arguments: tuple[str, ...]) -> None:
    """Exit code 2, as for every wrong use."""
    assert run(*arguments, "--yes")[0] == 2


def test_event_that_has_not_ended_is_refused_unless_forced(run: Run, tmp_path: Path) -> None:
    """Nothing at all is erased then; with --force everything is, and whoever works on it writes nothing back."""

    async def at_work(store: SqliteStore) -> None:
        await fill(store)
        await store.accept([item("s:4", caller=NUMBER)])

    in_store(tmp_path, at_work)
    code, out, err = run(NUMBER, "--yes")
    assert (code, out) == (1, "")
    assert f"{NUMBER} is in what has not ended: s:4 (waiting); erase when it has, or with --force" in err
    assert len(in_store(tmp_path, lambda store: store.list()).events) == 4

    assert run(NUMBER, "--yes", "--force")[0] == 0
    assert files_with(tmp_path) == []


def test_line_of_ours_is_refused_unless_forced(run: Run, tmp_path: Path) -> None:
    """It stands in every call, so that erasing it would erase everybody's."""

    async def calls(store: SqliteStore) -> None:
        await store.accept([item(f"s:{number}", caller=OTHER, callee=NUMBER, line=NUMBER) for number in range(3)])
        for number in range(3):
            await store.settle(await claimed(store, f"s:{number}"), ended())

    in_store(tmp_path, calls)
    code, _, err = run(NUMBER, "--yes")
    assert (code, "is a line of yours, in 3 events; --force erases all of them" in err) == (1, True)
    assert run(NUMBER, "--yes", "--force")[0] == 0
    assert files_with(tmp_path) == []


def test_bytes_are_gone_when_an_earlier_version_had_left_them_in_what_is_free(run: Run, tmp_path: Path) -> None:
    """A file whose free pages were not overwritten is written anew."""
    in_store(tmp_path, fill)
    with closing(sqlite3.connect(tmp_path / "badge-bridge.db")) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE old (text TEXT)")
        connection.executemany("INSERT INTO old VALUES (?)", [(f"row {number} of {NUMBER}",) for number in range(500)])
        connection.execute("DROP TABLE old")
        connection.commit()
    before = len(SPELLINGS.findall((tmp_path / "badge-bridge.db").read_bytes()))
    assert before > 100

    assert run(NUMBER, "--yes")[0] == 0
    assert files_with(tmp_path) == []


def test_what_is_left_is_told_when_somebody_keeps_reading(run: Run, tmp_path: Path) -> None:
    """The log cannot be emptied under a reader: then it is said where the bytes are, and the exit code is 1."""
    in_store(tmp_path, fill)
    with closing(sqlite3.connect(tmp_path / "badge-bridge.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchall()

        code, out, _ = run(NUMBER, "--yes")

    assert code == 1
    assert re.search(r"left: \S+badge-bridge\.db\S*: byte \d+: others are reading or writing; erase again", out)
    assert run(NUMBER, "--yes")[0] == 0
    assert files_with(tmp_path) == []


@pytest.mark.parametrize("ending", [".before-restore-20261127-090000", ".part", ".part-wal", "-backup"])
def test_copy_beside_the_store_is_told_of(run: Run, tmp_path: Path, ending: str) -> None:
    """What a restore has put aside or a killed one has left holds the person still, and is not ours to delete."""
    in_store(tmp_path, fill)
    copy = tmp_path / f"badge-bridge.db{ending}"
    copy.write_bytes((tmp_path / "badge-bridge.db").read_bytes())

    code, out, _ = run(NUMBER, "--yes")

    assert code == 1
    (left,) = [line for line in out.splitlines() if line.startswith("left: ")]
    assert re.match(rf"left: {re.escape(str(copy))}: byte \d+: it is another file beside the store", left)
    assert files_with(tmp_path) == [copy.name]


@pytest.mark.parametrize("written", ["493090182055", "1493090182055", "14930901820", "4930901820", "0049 30 901820"])
def test_number_is_neither_missed_nor_made_where_a_file_is_read_in_portions(
    run: Run, tmp_path: Path, written: str
) -> None:
    """A longer number is none of the person's wherever a portion begins or ends, and his own is found there."""
    in_store(tmp_path, fill)
    portion, kept = 1 << 20, 1_024
    places = [(end, before) for end in (portion, portion - 256, portion - kept) for before in range(len(written) + 1)]
    for end, before in places:
        whole = (b"." * (end - before) + written.encode()).ljust(portion + kept, b".")
        (tmp_path / f"badge-bridge.db.{end}-{before}").write_bytes(whole)
    (tmp_path / "badge-bridge.db.end").write_bytes(b"." * (portion - len(written)) + written.encode())

    code, out, _ = run(NUMBER, "--yes")

    is_his = written in ("4930901820", "0049 30 901820")
    assert (code, out.count("left: ")) == ((1, len(places) + 1) if is_his else (0, 0)), out


def test_interrupted_command_says_that_a_part_is_erased(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C behind the question is no longer without effect."""
    in_store(tmp_path, fill)
    erase = SqliteStore.erase

    async def until_interrupted(self: SqliteStore, traces: Any) -> None:
        await erase(self, traces)
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    monkeypatch.setattr(SqliteStore, "erase", until_interrupted)
    code, out, err = run(NUMBER, typed="y\n")
    assert (code, out.strip()) == (130, "")
    assert err.endswith("badge-bridge: interrupted; what was erased is gone, erase again for the rest\n")


def test_event_that_came_in_meanwhile_is_told_and_stays(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has agreed to erase it, and it may be at work."""
    in_store(tmp_path, fill)
    erase = SqliteStore.erase

    async def slowly(self: SqliteStore, traces: Any) -> None:
        await erase(self, traces)
        await self.accept([item("s:new", caller=NUMBER)])

    monkeypatch.setattr(SqliteStore, "erase", slowly)
    code, out, _ = run(NUMBER, "--yes")
    assert (code, "left: event s:new: it came in meanwhile; erase again" in out) == (1, True)
