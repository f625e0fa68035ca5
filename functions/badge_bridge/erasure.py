"""Erasing what is kept of a person, whom a telephone number stands for, and looking afterwards whether it is gone.

Whatever holds the number, in any spelling, is deleted as a whole: an event with what was received and what came of it,
the list of its badges, what the legs of a call find each other by. Then all that is stored is searched once more, and
the bytes of its files too. What came in meanwhile is not touched, and told of: whoever erases has not seen it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from badge_bridge import archive
from badge_bridge.backfill.notebook import note_of
from badge_bridge.backfill.watermark import Watermark
from badge_bridge.on_cards import OnCard, on_cards
from badge_bridge.rulesfile import RulesFile
from badge_bridge.spellings import Spellings
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.protocol import Store, StoredEvent

__all__ = ["Erased", "Held", "Left", "NotedAnew", "beyond", "erase", "held"]

_TRIES = 3
"""What worked on an event while that was erased may leave something behind once."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is kept of a person."""

    traces: Sequence[Trace]
    """Of the notes only rules files of before: the others are not deleted as a whole."""
    open: Sequence[StoredEvent]
    """The events among them that have not ended."""
    events: Sequence[StoredEvent]
    """All that are there: those of other customers first, then the newest."""
    of_others: Mapping[str, Sequence[str]]
    """The keys of those events that name another customer than this number, by that customer."""
    on_line: int
    """How many events name the number as one of our own lines: then it is hardly one person's."""
    on_cards: Sequence[tuple[str, OnCard]]
    """Badges that are in a portal, or may be, each with its event's key."""

    @property
    def keys(self) -> Sequence[str]:
        """Of all events, also of those of which only the badges are left."""
        return [*dict.fromkeys(trace.name for trace in self.traces if trace.place in ("event", "ledger"))]

    def count(self, place: str) -> int:
        return sum(trace.place == place for trace in self.traces)


@dataclass(frozen=True, slots=True)
class Left:
    """Something that still holds the number."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class NotedAnew:
    """What is noted of a portal's calls was written anew, as it held the number."""

    portal: str
    how: str
    """What has become of it, for people."""


@dataclass(slots=True)
class Erased:
    """What an erasure has come to."""

    traces: set[Trace] = field(default_factory=set)
    left: list[Left] = field(default_factory=list)
    noted_anew: set[NotedAnew] = field(default_factory=set)

    def count(self, place: str) -> int:
        return sum(trace.place == place for trace in self.traces)


async def held(store: Store, rules: RulesFile, spellings: Spellings) -> Held:
    """What there is of a person in an open store; `rules` are those of now.

    Raises:
        StoreUnavailable: it cannot be read.
    """
    traces = [trace for trace in await store.search(spellings.in_text) if _may_go(trace, rules)]
    found = [event for trace in traces if trace.place == "event" and (event := await store.get(trace.name)) is not None]
    of_others: dict[str, list[str]] = {}
    for event in found:
        customer = event.event.customer
        if customer and not spellings.in_text(customer):
            of_others.setdefault(customer, []).append(event.key)
    others = {key for keys in of_others.values() for key in keys}
    there = Held(
        traces=traces,
        open=[event for event in found if event.state in ("waiting", "working")],
        events=sorted(found, key=lambda event: (event.key not in others, -event.received_at, event.key)),
        of_others=of_others,
        on_line=sum(event.event.line == spellings.number for event in found),
        on_cards=[],
    )
    cards = [(key, card) for key in there.keys for card in await on_cards(store, key)]
    return replace(there, on_cards=[(key, card) for key, card in cards if card.state != "taken off"])


async def erase(store: Store, rules: RulesFile, spellings: Spellings, there: Held) -> Erased:
    """Delete what was `there`, whatever its state, and what came to hang on it meanwhile.

    Raises:
        StoreUnavailable: the store failed half way; what is left is erased by doing it again.
    """
    erased = Erased()
    known = {trace.name for trace in there.traces}
    traces: Collection[Trace] = there.traces
    for _ in range(_TRIES):
        await store.erase(traces)
        erased.traces.update(traces)
        erased.noted_anew.update([one async for one in _erase_notebooks(store, rules, spellings)])
        await _erase_rules(store, traces)
        found = await store.search(spellings.in_text)
        traces = [trace for trace in found if trace.name in known and _may_go(trace, rules)]
        if not traces:
            break
    erased.left += [_left(trace, known, rules) for trace in found]
    if not erased.left:
        # Only now, as the bytes of what is stored would be found as well.
        erased.left += [Left(one.place, one.why) for one in await store.remains(spellings.in_bytes)]
    return erased


async def _erase_notebooks(store: Store, rules: RulesFile, spellings: Spellings) -> AsyncIterator[NotedAnew]:
    """Take the person out of what is noted of the portals' calls. How far they were read stays: begun anew, it would be
    as at their first sight, and no call that was lost before would ever be fetched.
    """
    for portal in rules.portals:
        note = await store.note(note_of(portal))
        for _ in range(_TRIES):  # somebody may read that portal's calls meanwhile
            if note is None or not spellings.in_text(note.text):
                break
            known = Watermark.parse(note.text)
            # Of what it cannot read, fetching makes nothing either.
            text = "{}" if known is None else known.without(spellings.in_text).model_dump_json()
            if await store.write_note(note_of(portal), text, version=note.version):
                yield NotedAnew(portal, _READ_ON if known is not None else _BEGUN_ANEW)
                break
            note = await store.note(note_of(portal))


_READ_ON = "lost calls are fetched from the same one on as before, which is no longer named"
_BEGUN_ANEW = (
    "another version has written it, so that it is begun anew: what was lost before the next look is not fetched"
)


async def _erase_rules(store: Store, traces: Collection[Trace]) -> None:
    """Empty the rules files among them. No event can be redriven with one of these any more."""
    for trace in traces:
        note = await store.note(trace.name) if trace.place == "note" else None
        if note is not None:
            await store.write_note(trace.name, "", version=note.version)


def _may_go(trace: Trace, rules: RulesFile) -> bool:
    """Of the notes, a rules file of before may: that of now would be kept again at once."""
    if trace.place != "note":
        return True
    return trace.name.startswith(archive.NOTES) and trace.name != archive.note_of(rules.hash)


def _left(trace: Trace, known: Collection[str], rules: RulesFile) -> Left:
    what = _WHAT[trace.place].format(name=trace.name)
    if trace.name == archive.note_of(rules.hash):
        why = (
            f"it is the rules file of now: take the number out of {rules.filename}, start anew with it and erase again"
        )
        return Left(what, why)
    if trace.place == "note" and not _may_go(trace, rules):
        return Left(what, "it is a portal's, and not deleted for its digits, which may be there by chance")
    if trace.name in known:
        return Left(what, "somebody keeps writing it; erase again")
    return Left(what, "it came in meanwhile; erase again")


_WHAT = {
    "event": "event {name}",
    "ledger": "badges of the event {name}",
    "call": "call {name!r}",
    "note": "note {name!r}",
    "pause": "pause of {name}",
}


def beyond(rules: RulesFile, spellings: Spellings, *, in_firestore: bool) -> Iterable[str]:
    """What keeps something of the person and cannot be reached from here, for people."""
    portals = f"{'portals' if len(rules.portals) > 1 else 'portal'} {', '.join(rules.portals)}"
    yield f"{portals}: the contact, cards and their timelines, with the badges that are still on them"
    yield "backups and snapshots of the store: erase again after one of them was restored"
    if in_firestore:
        yield "what Google keeps of the database: point-in-time recovery for seven days, scheduled backups, exports"
    yield "logs that were written or shipped: numbers are masked in them, unless SHOW_PHONE_NUMBERS was yes"
    yield "the telephony provider, and whoever else sends events: what he keeps himself, and may send again"
    if spellings.not_sought:
        yield (
            f"{spellings.not_sought}, without what is dialled before it: not looked for, since so few digits may be a "
            "date or an order"
        )
