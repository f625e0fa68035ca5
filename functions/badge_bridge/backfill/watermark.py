"""How far the rows of a portal's call statistics were read. Pure: what was read goes in, the next state comes out.

Rows have ascending numbers, but one may become visible after a higher one, when the transaction that writes it ends
later. So reading goes on from `base`, below which nothing is missing any more: the number before the first gap, or, of
a gap that nothing fills, how far had been read `OVERLAP` seconds ago. Numbers without gaps are read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict

from badge_bridge.noted import Noted
from badge_bridge.store.clock import reached as has_come

__all__ = ["OVERLAP", "REST", "Place", "Refused", "Watermark"]

OVERLAP = 600.0
"""Seconds for which a missing number is waited for, and rows above it are read again."""

REST = 3600.0
"""Seconds until a portal is asked again that has refused."""


class _State(BaseModel):
    model_config = ConfigDict(frozen=True)


class Place(_State):
    """A row: its ID, and the CALL_ID that tells whether it is still the same row. ID 0 is before all rows. The CALL_ID
    is empty where it was erased, since it named a person: then the row of that ID counts as the same.
    """

    id: int = 0
    call: str = ""

    def without(self, names: Callable[[str], bool]) -> Self:
        """The same row, unnamed where its call `names` somebody."""
        return self.model_copy(update={"call": ""}) if names(self.call) else self


class Mark(_State):
    """How far had been read at a time, in unix seconds."""

    at: float
    place: Place


class Refused(_State):
    """The portal does not let us read the rows: why, with which credential, and until when it is not asked again."""

    why: str
    credential: str
    until: float

    def repeats(self, before: Refused | None) -> bool:
        """Whether the same was said to the same credential before."""
        return before is not None and (before.why, before.credential) == (self.why, self.credential)


class Watermark(Noted):
    """`base` is None until the portal has been seen once; `resume` is where a look goes on that had to stop."""

    base: Place | None = None
    resume: Place | None = None
    marks: tuple[Mark, ...] = ()
    refused: Refused | None = None

    @classmethod
    def starting(cls, newest: Place) -> Self:
        """The first sight of a portal: what is there already is history."""
        return cls(base=newest)

    @property
    def start(self) -> Place:
        """The row to read on from, that row included: it shows that the numbers are still those of before."""
        return self.resume or self.settled

    @property
    def settled(self) -> Place:
        """The row below which nothing is missing any more."""
        return self.base or Place()

    def without(self, names: Callable[[str], bool]) -> Self:
        """The same position without any text that `names` somebody. A refusal that does is forgotten: the portal is
        asked again at once.
        """
        refused = self.refused
        if refused is not None and (names(refused.why) or names(refused.credential)):
            refused = None
        return self.model_copy(
            update={
                "base": self.base and self.base.without(names),
                "resume": self.resume and self.resume.without(names),
                "marks": tuple(mark.model_copy(update={"place": mark.place.without(names)}) for mark in self.marks),
                "refused": refused,
            }
        )

    def rests(self, now: float, *, credential: str) -> bool:
        """Whether the portal has refused this credential a short time ago."""
        refused = self.refused
        if refused is None or refused.credential != credential:
            return False
        return not has_come(refused.until, now=now, longest=REST)

    def after(self, rows: Iterable[Place], *, reached: Place, now: float, more: bool) -> Self:
        """The state when a page is stored: `rows` are those of it that can count as read, ascending, `reached` is the
        last one that it has, and `more` may follow.
        """
        base = self.settled
        for row in rows:
            if row.id == base.id + 1:
                base = row
        marks = [*self.marks, Mark(at=now, place=reached)]
        old = [mark.place for mark in marks if has_come(mark.at + OVERLAP, now=now, longest=OVERLAP)]
        base = max([base, *old], key=lambda place: place.id)
        kept: list[Mark] = []
        for mark in marks:
            if mark.place.id > (kept[-1].place.id if kept else base.id):
                kept.append(mark)
        return self.model_copy(
            update={"base": base, "resume": reached if more else None, "marks": tuple(kept), "refused": None}
        )
