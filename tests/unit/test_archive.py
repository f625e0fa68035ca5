"""Keeping the rules files that events were judged by: once each, without secrets, and never at an event's cost."""

from __future__ import annotations

import logging

import pytest

from badge_bridge.archive import FEW, MOST, NOTES, Archive, is_kept, note_of
from badge_bridge.errors import EarlierRulesUnusable, StoreUnavailable
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Note

SECRET = "pbx-token-0123456789"
RULES = """\ufeffportals: {main: {webhook: "${HOOK}"}}  # Grüße
sources:
  s: {provider: generic, verify: {scheme: bearer}, secrets: ["${TOKEN}"], event: {type: body.type, id: body.id}}
badges: {missed: {title: Call, value: Missed, type: failure}}
rules: [{name: r, on: call.missed, badge: missed}]
"""


class Counting(MemoryStore):
    """Which rules files were looked for; not to be written while it is `full`."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[str] = []
        self.full = False

    async def note(self, name: str) -> Note | None:
        if name.startswith(NOTES):
            self.looks.append(name)
        return await super().note(name)

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        if self.full:
            raise StoreUnavailable("the disk is full")
        return await super().write_note(name, text, version=version)


def rules(text: str = RULES) -> RulesFile:
    return parse(
        text,
        "rules.yaml",
        providers=OPTIONS,
        environ={"HOOK": "https://acme.bitrix24.com/rest/1/abcdefghijklmnop/", "TOKEN": SECRET},
    )


@pytest.fixture
async def store() -> Counting:
    store = Counting()
    await store.open()
    return store


async def test_rules_file_is_kept_as_it_is_written(store: Counting) -> None:
    """With the names of its secrets, and so that it has the same hash when it is read."""
    await Archive(store).keep(rules())

    note = await store.note(note_of(rules().hash))
    assert note == Note(RULES, 1)
    found = await Archive(store).of_then(rules().hash)
    assert (found.hash, [rule.name for rule in found.rules]) == (rules().hash, ["r"])
    assert SECRET not in str(found.secrets)


async def test_rules_file_is_looked_for_once_by_each_process(store: Counting) -> None:
    """And written by the first; those that work by other rules keep theirs as well."""
    for _ in range(2):
        archive = Archive(store)
        for _ in range(3):
            await archive.keep(rules())
    assert store.looks == [note_of(rules().hash)] * 2
    other = rules(RULES + "# changed\n")

    await archive.keep(other)

    assert [await is_kept(store, one.hash) for one in (rules(), other)] == [True, True]


async def test_rules_file_that_was_erased_is_kept_again_when_a_process_works_by_it(store: Counting) -> None:
    """Whoever erased a person has emptied the note."""
    await store.write_note(note_of(rules().hash), "", version=0)
    assert not await is_kept(store, rules().hash)

    await Archive(store).keep(rules())

    assert await is_kept(store, rules().hash)


async def test_rules_file_is_not_kept_when_a_secret_stands_in_it(
    store: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    """In a comment nothing else forbids it. The log says so once, and not the secret."""
    archive = Archive(store)
    for _ in range(2):
        await archive.keep(rules(f"{RULES}# was {SECRET} once\n"))

    assert await store.search(lambda text: SECRET in text) == ()
    (said,) = caplog.messages
    assert said.startswith("rules.yaml is not kept, so that no event can be redriven with it later: the value of one")
    assert SECRET not in said


async def test_rules_file_is_not_kept_when_it_is_longer_than_a_note(
    store: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    """As the longest ones are."""
    await Archive(store).keep(rules(RULES + "#" * MOST))
    assert await store.search(lambda text: "#" in text) == ()
    assert f"and a note at most {MOST}" in caplog.text


async def test_rules_file_is_kept_later_when_the_store_cannot_be_written(
    store: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for that, and it is not tried again with each event."""
    passed = 0.0
    archive = Archive(store, steady=lambda: passed)
    store.full = True
    await archive.keep(rules())
    passed = 59.0
    await archive.keep(rules())
    assert [(record.levelno, "the disk is full" in record.message) for record in caplog.records] == [
        (logging.WARNING, True)
    ]
    store.full, passed = False, 60.0

    await archive.keep(rules())

    assert await is_kept(store, rules().hash)


async def test_rules_of_then_are_read_again_when_many_others_were(store: Counting) -> None:
    """A few are kept ready, those that were asked for last."""
    hashes = []
    for number in range(FEW + 1):
        one = rules(f"{RULES}# {number}\n")
        await Archive(store).keep(one)
        hashes.append(one.hash)
    archive = Archive(store)
    store.looks.clear()
    for hash_ in (*hashes[:2], hashes[0], *hashes[2:], hashes[0], hashes[1]):
        assert (await archive.of_then(hash_)).hash == hash_
    assert store.looks == [note_of(hash_) for hash_ in (*hashes, hashes[1])]


async def test_rules_that_are_not_kept_cannot_be_had(store: Counting) -> None:
    """Nor can those whose note says something else than their hash."""
    await store.write_note(note_of("0123456789abcdef"), RULES, version=0)
    for hash_ in ("0123456789abcdef", "fedcba9876543210"):
        with pytest.raises(EarlierRulesUnusable, match=f"{hash_}. are not kept; redrive the event with the rules of"):
            await Archive(store).of_then(hash_)
