"""The Store: the source of truth and the queue.

Every implementation passes the suite in `tests/contract`. All times are unix seconds (float) and are passed in by the
caller; a store has no clock of its own.

The clock may be set back, by a year where a machine came up with a wrong date. Whatever a store finds written further
ahead than `LONGEST_WAIT`, `LONGEST_PAUSE` and `LONGEST_LEASE` allow was written by the clock of before, and is over:
the event is due, the pause has ended, the lease has run out.

States of an event:

    waiting --claim--> working --settle--> done | ignored | joined | dead      (terminal)
       ^                  |    --settle--> waiting, due later          (retry, or its lane is paused)
       |                  +--give_back---> waiting, due at once        (its holder stops)
       |                  +--- lease expired or holder gone: claimable again, counted as a failure
       +--redrive--- done | ignored | joined | dead
       +--judge----- any of them, when the event's content is replaced
    accept, judge -> joined                                            (a leg that another one has read or will read)

`joined` are the legs of a call: what they told goes into one event for the whole call, which `judge` writes, and writes
again where a later leg changes it. One leg of a call waits for all; the others are joined as they are accepted.

A lane is what can be paused as a whole: a portal (`main`) or one method of a portal (`main/crm.activity.badge.add`).
An event that waits for a paused lane is not due until the lane is resumed, and then at once, whatever its own time;
once the pause is over, one such event at a time is let through as a probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from badge_bridge.events import Event
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.census import Census
from badge_bridge.store.forgetting import Forgetting
from badge_bridge.store.wanted import Place, Tally, Uses, Wanted

__all__ = [
    "LONGEST_LEASE",
    "LONGEST_PAUSE",
    "LONGEST_WAIT",
    "LONGEST_YIELD",
    "NEWEST_BY_KEY",
    "Accepted",
    "Attachment",
    "Attempt",
    "Claim",
    "Judged",
    "LegPlace",
    "LegsRead",
    "Listing",
    "Note",
    "Pause",
    "Redrive",
    "Settlement",
    "State",
    "Store",
    "StoredEvent",
]

LONGEST_WAIT = 13 * 3600.0
"""Seconds that an event waits for its next attempt at most: the longest delay between two is 10 h, with jitter 12 h,
and clocks differ.
"""

LONGEST_PAUSE = 5 * 3600.0
"""Seconds that a lane rests at most before it is probed: the longest pause is 4 h, and 20 % jitter."""

LONGEST_YIELD = 2.0
"""Seconds behind the end of a pause at which whatever waits for its lane is due at the latest: an event whose own call
led to the pause lets others go before it (`retry.YIELD`). Its own time was reckoned from when the pause was to end,
which may be hours after it did."""

LONGEST_LEASE = 600.0
"""Seconds that a lease or the hold of a probe lasts at most, whatever is asked for: one attempt takes up to 75 s.

It is a length for all, not the one that a caller asks for: two processes read their clocks in one order and reach the
store in the other, and the later clock's lease must not look to the earlier one like a lease from the future."""

NEWEST_BY_KEY = 1000
"""How many events a store without an index of keys looks at for what a key begins with."""

State = Literal["waiting", "working", "done", "ignored", "joined", "dead"]


@dataclass(frozen=True, slots=True)
class LegPlace:
    """What a store needs to know to place a leg among the others of its call (`store.legs`)."""

    call: str
    """The value among the leg's `joins` by which the legs of the call find each other."""
    judged: str
    """Key of the event that the call is judged in."""
    ends: bool
    """Something has ended: the call may be judged `soon`."""
    soon: float
    """When it is read where something has ended."""
    late: float
    """When it is read where nothing ever ends."""
    most: int
    """With so many legs, the call is read at once."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What `accept` writes: an event that a verified delivery carried."""

    key: str
    event: Event
    verified: str
    """How the delivery was verified, in words: `hmac-sha1 over url and form`."""
    received_at: float
    joins: tuple[str, ...] = ()
    """The values by which later or earlier events find this one (`Store.joined`), such as the customer's number."""
    leg: LegPlace | None = None
    """Where this is a leg of a call."""


@dataclass(frozen=True, slots=True)
class LegsRead:
    """The reading of a call that a judgement was made of."""

    call: str
    """The value that `Store.related` was asked for."""
    count: int
    """How many legs it found, those included that cannot be read."""
    open: Sequence[str]
    """Keys of those that were understood and had not ended."""
    is_full: bool
    """No further leg changes the judgement."""
    reason: str
    """Why they end as joined."""
    rules_hash: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of writing a judgement."""

    is_news: bool
    """There is something new to do: the event is new, or says something else than before, its `data` aside."""
    is_whole: bool
    """It was made of all legs there are, and all that were `open` are joined."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on one event. `token` proves it when settling."""

    key: str
    event: Event
    token: str
    attempt: int
    """Number of this attempt, from 1; never reset."""
    failures: int
    """Attempts so far that count towards dead, a predecessor that vanished without settling included."""
    received_at: float
    leased_until: float
    lane: str = ""
    """The lane that the event waited for, where that lane is half open: this attempt is the one it let through."""
    outcomes: tuple[Outcome, ...] = ()
    """What rules already reached since the event was accepted, last redriven or last revised."""
    revision: int = 0
    """The one that the event's content was written with (`Store.judge`); 0 where it was accepted as it is."""
    rules: str = ""
    """The hash of the rules file that it was redriven with; empty where it is judged by the one of now."""
    since: int = 0
    """The attempt after which it was last redriven or revised; 0 where it was neither, or was not tried before."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended."""

    state: Literal["done", "ignored", "joined", "waiting", "dead"]
    ended_at: float
    reason: str = ""
    due: float = 0.0
    """With `waiting`: not before this time."""
    lane: str = ""
    """With `waiting`: not before this lane is resumed; once it is, at once."""
    failed: bool = False
    """Counts towards dead."""
    outcomes: tuple[Outcome, ...] = ()
    """Outcomes reached in this attempt."""
    asked: tuple[Exchange, ...] = ()
    rules_hash: str = ""


@dataclass(frozen=True, slots=True)
class Redrive:
    """That somebody let an ended event be tried again."""

    at: float
    """Unix seconds."""
    by: str
    """`console` or `command`; empty where that is not known."""
    rules: str
    """The hash of the rules file that was chosen to judge it; empty for the one of now."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recorded try. `ended_at` is None while it runs, and stays so where its holder vanished or gave it back."""

    number: int
    started_at: float
    ended_at: float | None
    result: str
    """The settled state, `working`, `lost` (the holder vanished or its lease ran out), or `given back`."""
    reason: str
    asked: tuple[Exchange, ...]
    rules_hash: str = ""
    """The rules file that it was judged by; empty until it is settled."""
    redriven: Redrive | None = None
    """With which the event was let try again after this attempt."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Everything that is known of one event.

    Where this version cannot read what another one wrote, `event` is one with the id and type `unreadable` and the
    stored source, and `reason` says why, unless it tells already how the event ended.
    """

    key: str
    event: Event
    verified: str
    received_at: float
    state: State
    reason: str
    attempts: int
    failures: int
    due: float
    lane: str
    settled_at: float | None
    rules_hash: str
    outcomes: tuple[Outcome, ...] = ()
    history: tuple[Attempt, ...] = ()
    redriven_with: str = ""
    """The hash of the rules file that it was last redriven with; empty where that was the one of now, where it never
    was, and where it was revised since and says something else."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of events, newest first, without `outcomes` and `history`."""

    events: tuple[StoredEvent, ...]
    more: Place | None
    """The `before` of the next page; None where this is the last one."""
    reached: float | None = None
    """Where the page ends before it is full because enough was looked at in vain: how far back it has looked, in unix
    seconds."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A paused lane. `failures` counts the probes that failed in a row, the first refusal included."""

    lane: str
    until: float
    failures: int
    reason: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """One row of the ledger: the activity that carries a badge for one event and one rule.

    It is written twice: before the activity is added, without an id, so that whoever comes after a crash knows that it
    may have been added and on which card; and when its id is known. `closed_at` is set when it was completed or is
    gone.
    """

    key: str
    """The event's; with `rule` it is unique."""
    rule: str
    portal: str
    badge: str
    """The badge's code."""
    owner_type: int
    """As the portal counts: 1 lead, 2 deal, 3 contact, 4 company."""
    owner_id: int
    time: float
    """When the event happened."""
    join: str
    """What later events find it by; empty where none does."""
    content: str
    """JSON of what the portal was sent, `{"fields": {...}, "layout": {...}}`: completing it needs all of it again."""
    activity: int | None = None
    """The activity's id in the portal; None while it is not known whether there is one."""
    sent_at: float | None = None
    """Without an id: by when at the latest it left to be added, where no answer has come; None where the answer was a
    failure."""
    closed_at: float | None = None
    customer: str = ""
    """By what the card was looked for; empty where an earlier version has written the row."""
    taken_back: int = 0
    """How often a badge was taken back, since the event turned out to be another one or another customer's. Closed and
    without an id: it was, and may be attached anew."""


@dataclass(frozen=True, slots=True)
class Note:
    """A small text that all processes share, such as a portal's encrypted tokens. `version` counts its writes."""

    text: str
    version: int


class Store(Forgetting, Protocol):
    """All methods raise `StoreUnavailable` when the store cannot write or read. How it forgets: `store.forgetting`."""

    restored_at: float | None
    """When a backup was put in the place of the store before it (unix seconds), as known once it is open; None where
    none was. What was done between the backup and then is not in the store, and may be on cards of the portal.
    """

    async def open(self) -> None:
        """Make the store ready. Events leased by a process that is known to be gone become claimable at once, and what
        it held (`hold`) is let go.
        """

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Return when the store can be read and, as far as known, written; the store's part of a health check.

        After a write that failed because of the store itself, it raises until the store takes writes again. It finds
        that out by a small write of its own, so that nobody else has to try. A store on this machine's disk makes such
        a write while it is well, too, when it has not written anything for some time (`TRIAL_SECONDS` in `sqlite`).
        """

    async def accept(self, batch: Sequence[Accepted]) -> list[bool]:
        """Write events durably, all or none; for each, True where it is new and False where its key was known, also
        where its event was forgotten since.

        When this returns, the events survive a power failure. A new leg of a call is due when its call may be judged,
        or joined at once where another one waits for that (`store.legs`).

        Raises:
            ValueError: an event cannot be written down, or could not be read again; none was written.
        """

    async def claim(self, key: str, *, now: float, lease: float) -> Claim | None:
        """Lease one event that is due, or None: unknown, terminal, leased by another, not yet due, or its lane paused.

        `lease` is its length in seconds, at most `LONGEST_LEASE`. An event that this version cannot read ends as dead,
        with the reason and an error in the log, instead of being leased.
        """

    async def claim_due(self, *, now: float, lease: float, limit: int) -> list[Claim]:
        """Lease up to `limit` due events, oldest first; those that cannot be read end as for `claim`.

        Where more are due, each lane has its turn, and what waits for none as one among them (`store.dealing`).
        """

    async def next_due(self, *, now: float) -> float | None:
        """The earliest time, from `now` on, at which `claim_due` may find something; None where nothing waits.

        May be too early, never too late.
        """

    async def settle(self, claim: Claim, settlement: Settlement) -> bool:
        """End an attempt. False, and nothing written, where the lease is no longer the claim's.

        So too where the event was erased meanwhile. Where it was revised and says something else now, what was settled
        is about a content that is no more: the attempt and its outcomes are recorded, and the event is due at once,
        whatever `settlement` says.
        """

    async def judge(self, accepted: Accepted, *, revision: int, legs: LegsRead, now: float) -> Judged:
        """Write the judgement of a call, whose content may change as more becomes known: durably, where it is not known
        yet or was written with a lower `revision` (from 1). An event that was accepted as it is stays so. Where it
        is news, it is due at once (while it waits for a lane, then), its failures forgotten, and no rule counts as
        finished. Whoever works on it meanwhile keeps the lease: see `settle`.

        Where no leg has come since they were read, end all that are open as joined, also those that somebody works on.
        Where one has come, all stay as they are, and the one that will read it is due now.

        Raises:
            ValueError: as for `accept`.
        """

    async def related(self, join: str, *, limit: int) -> list[StoredEvent]:
        """Accepted events with this value among their `joins`, whatever their time, without outcomes and history;
        earliest first. At most `limit` of them, found by an index, however many there are.
        """

    async def give_back(self, claim: Claim) -> bool:
        """Return a lease: the event is due at once, and its attempt is recorded as `given back`, not as a failure.

        False, and nothing written, where the lease is no longer the claim's.
        """

    async def get(self, key: str) -> StoredEvent | None:
        """One event with outcomes and history."""

    async def keys(self, beginning: str, *, limit: int) -> Sequence[str]:
        """Keys that begin with a text, in their order; at most `limit` of them.

        Firestore has no index of keys, which would bound its writes: there it is those among the newest
        `NEWEST_BY_KEY` events of the source that the text names, up to its colon.
        """

    async def redrive(self, key: str, *, now: float, rules: str = "", by: str = "") -> bool:
        """Make a terminal event due again, its failures forgotten; False where it is unknown or not terminal.

        `rules` is the hash of the rules file that judges it, in each attempt until it is redriven again, or revised and
        says something else; empty for the one that whoever works on it has. When that was, `by` which way and with
        which rules is kept with the last attempt (`Attempt.redriven`); of a leg that was never tried it is not.
        """

    async def pause(self, lane: str, *, until: float, reason: str) -> Pause:
        """Pause a lane, or lengthen its pause; counts one more failure."""

    async def shorten(self, lane: str, *, until: float) -> bool:
        """Let the pause of a lane be over at a time, its failures and reason kept: it is half open then. False where it
        is paused no longer than that.
        """

    async def paused(self, lanes: Sequence[str]) -> list[Pause]:
        """The pauses of these lanes that were not resumed, whether their time is over or not."""

    async def backlog(self) -> Backlog:
        """What is not done, counted cheaply however many events there are: see `store.backlog`."""

    async def probe(self, lane: str, *, now: float, hold: float) -> bool:
        """Become the one that probes a lane whose pause is over; True for one caller, until `hold` seconds on."""

    async def resume(self, lane: str) -> bool:
        """End a pause: all that waits for the lane is due. False where there was none."""

    async def joined(self, join: str, *, after: float, limit: int = 100) -> list[tuple[str, Event]]:
        """Key and content of accepted events with this value among their `joins` that happened after a time.

        `after` is exclusive and compared with `event.time`; earliest first. Events that cannot be read are left out.
        """

    async def attach(self, attachment: Attachment, *, claim: Claim | None = None) -> bool:
        """Write a row of the ledger, durably; it replaces the one of the same event and rule.

        An attempt gives its `claim`, on the event of the row. False, and nothing written, where the lease is no longer
        the claim's; where it is, nobody else takes the event between that look and the write. Whoever has no claim is
        refused where the event was forgotten, unless there is such a row.
        """

    async def unattach(self, key: str, rule: str, *, claim: Claim | None = None) -> bool:
        """Take back a row whose activity was certainly not added. False where there is none, where it has an id, or
        where the lease is no longer the claim's, as for `attach`.
        """

    async def attachments(self, key: str) -> list[Attachment]:
        """The rows of one event, by the rule's name."""

    async def open_attachments(self, join: str, *, before: float | None = None) -> list[Attachment]:
        """The rows with this join value that are not closed and have an id, earliest event first.

        `before` (exclusive) leaves out those whose event happened then or later.
        """

    async def on_top(self, portal: str, owner_type: int, owner_id: int) -> Attachment | None:
        """The row whose badge a card of this portal shows: of those that are not closed and have an id, that with the
        highest one, which was added last. None where there is none, or, in Firestore, where 1,000 were taken off after
        it was added.
        """

    async def close_attachment(self, key: str, rule: str, *, now: float, activity: int | None = None) -> bool:
        """Note that the activity is completed or gone. False where there is no such row, or it was closed before.

        It asks for no lease: mostly it is a later event that closes a row. With `activity` it is False too where the
        row has another one by now, since that event was attached anew.
        """

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        """Count one request in a leaky bucket that all processes share: 0.0 where it was counted, else how many
        seconds there is no room for it.

        The bucket holds `burst` requests and drains `rate` of them a second. A level that was written by a clock which
        has been set back since does not drain until that clock is caught up with, by at most the time it takes to
        drain a full bucket.
        """

    async def level(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        """How many requests the bucket holds now, for those who look and draw nothing."""

    async def note(self, name: str) -> Note | None:
        """A note, or None where nothing was ever written under this name."""

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        """Write a note, durably, where its version is still `version` (0: there is none yet), which counts it up by 1.

        False, and nothing written, where somebody else was faster.
        """

    async def hold(self, name: str, *, holder: str, now: float, seconds: float) -> bool:
        """Become the only one who does what `name` stands for, for so many seconds (at most `LONGEST_LEASE`).

        True for one holder at a time; for the one who holds it already it is lengthened. Opening a store that nobody
        else has open ends all holds but those whose name begins with `holding.LASTING`.
        """

    async def let_go(self, name: str, *, holder: str) -> bool:
        """Give a hold back; False where it is not this holder's any more."""

    async def tally(self, *, since: float, until: float, width: float) -> Sequence[Tally]:
        """How many events were received in each stretch of `width` seconds, by the state that they are in now, and by
        what they came to where that is `done`; earliest first, then by state, then as in `REACHED_WHEN_DONE`. The first
        stretch begins at `since` (inclusive), the last one ends at `until` (exclusive).

        Raises:
            ValueError: as for `wanted.stretches`.
        """

    async def census(self, *, since: float, until: float) -> Census:
        """What the events came to that were received from `since` (inclusive) to `until` (exclusive). Each of them is
        looked at, if only at what is short of it.
        """

    async def ended(self, *, since: float, limit: int) -> Sequence[StoredEvent]:
        """Events that ended then or later and were not taken up again, without `outcomes` and `history`; those that
        ended first first, and at most `limit` of them.
        """

    async def uses(self, *, since: float) -> Sequence[Uses]:
        """The badges that were put on cards for events that happened since then (inclusive), by portal and badge.

        Those that were taken off again count, too; those that were taken back, since they were on the wrong card, and
        those whose rows were forgotten do not.
        """

    # Last, because from here on `list` means this method to a type checker.
    async def list(self, wanted: Wanted = Wanted(), *, limit: int = 50, before: Place | None = None) -> Listing:  # noqa: B008 - it is frozen
        """A page of the events that are wanted, newest first: those received before another (`Listing.more`).

        A store that holds many looks at no more than `MOST_PASSED_OVER` in vain, and may end the page before it is
        full: see `Listing.reached`. Of a customer with more events than that, one that happened more than a day
        before it was received may be passed over.
        """
