"""Where the badges of an event are now, and who took them off: read from the ledger, for whoever asks why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from badge_bridge.portal import kind_of
from badge_bridge.store.protocol import Attachment, Store

__all__ = ["OnCard", "as_json", "on_cards"]

_LATER = 200
"""Later events of the same customer that are asked whether they took a badge off."""


@dataclass(frozen=True, slots=True)
class OnCard:
    """One badge that an event's rule has put on a card."""

    rule: str
    badge: str
    portal: str
    owner: str
    """The card: `deal 41`."""
    activity: int | None
    state: Literal["there", "taken off", "not known"]
    """`not known`: it may have been added, and no answer has come yet."""
    at: float | None = None
    """Unix seconds at which it was taken off."""
    by: str = ""
    """Key and type of the event that took it off; empty where that was another way: by hand, or since the event itself
    was judged anew."""
    newer_badge: str = ""
    """Code of the badge that lies over it: a card shows the one that was added last. Empty where it is on top, as far
    as the ledger knows, and where it is not there."""
    newer_event: str = ""
    """Key of the event that it is of; two rules may have put both for one event."""


async def on_cards(store: Store, key: str) -> list[OnCard]:
    """The badges of one event, by rule.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    return [await _told(store, row) for row in await store.attachments(key)]


async def _told(store: Store, row: Attachment) -> OnCard:
    by, newer_badge, newer_event = "", "", ""
    if row.closed_at is not None:
        state: Literal["there", "taken off", "not known"] = "taken off"
        by = await _taken_off_by(store, row)
    else:
        state = "not known" if row.activity is None else "there"
        newer_badge, newer_event = await _over(store, row)
    owner = f"{kind_of(row.owner_type)} {row.owner_id}"
    return OnCard(
        row.rule, row.badge, row.portal, owner, row.activity, state, row.closed_at, by, newer_badge, newer_event
    )


async def _over(store: Store, row: Attachment) -> tuple[str, str]:
    if row.activity is None:
        return "", ""
    top = await store.on_top(row.portal, row.owner_type, row.owner_id)
    return ("", "") if top is None or (top.activity or 0) <= row.activity else (top.badge, top.key)


async def _taken_off_by(store: Store, row: Attachment) -> str:
    if not row.join or row.activity is None:
        return ""
    for key, event in await store.joined(row.join, after=row.time, limit=_LATER):
        later = await store.get(key)
        for outcome in later.outcomes if later else ():
            if outcome.role == "clear" and f"activity {row.activity} " in f"{outcome.reason} ":
                return f"{key} ({event.type})"
    return ""


def as_json(one: OnCard) -> dict[str, Any]:
    return asdict(one)
