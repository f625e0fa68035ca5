"""The stores that the contract is about, and what its tests put into them. A new store joins by one entry in `STORES`."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from badge_bridge.events import Event
from badge_bridge.store.firestore import FirestoreStore
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Claim, Settlement, Store
from badge_bridge.store.sqlite import SqliteStore

NOW = 1_000_000.0
LATER = NOW + 365 * 86_400

UNREADABLE = [
    '{"id": "1", "caller": "+49301234"}',
    '{"id": "1", "source": "s", "provider": "p", "type": "t", "time": "at +49301234"}',
    "+49301234",
    "[" * 100_000,
]
"""What no version has written yet."""

ODD_TEXTS = ["Grüße 呼び出し 📞", "nul \0 inside", "\u2028\u2029\ufeff", "'; DROP TABLE events; --", "\x1b[31m\x7f"]


def tokens() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"token-{next(numbers)}"


STORES: dict[str, Callable[[Path], Store]] = {
    "firestore": lambda folder: FirestoreStore(
        project(folder), new_token=tokens(), clock=itertools.count(step=60).__next__
    ),
    "memory": lambda folder: MemoryStore(new_token=tokens()),
    "sqlite": lambda folder: SqliteStore(folder / "state.db", new_token=tokens()),
}


def knows_who_is_gone(store: Store) -> bool:
    """Whether opening the store tells it that nobody else has it open, so that what others held can be taken back."""
    return not isinstance(store, FirestoreStore)


def project(folder: Path) -> str:
    """A project of the Firestore emulator that nobody else has, and the same for the same folder."""
    return f"test-{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}"


def item(
    key: str = "s:1",
    *,
    received_at: float = NOW,
    verified: str = "hmac-sha1",
    joins: tuple[str, ...] = (),
    **fields: Any,
) -> Accepted:
    event = Event.model_validate(
        {
            "id": key,
            "source": "reception",
            "provider": "twilio",
            "type": "call.missed",
            "time": datetime(2026, 3, 1, 12, tzinfo=UTC),
            **fields,
        }
    )
    return Accepted(key=key, event=event, verified=verified, received_at=received_at, joins=joins)


def noise(characters: int = 400_000) -> str:
    """A text that does not get smaller by compression; as long as it comes, one document does not hold it."""
    return "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(characters))


async def overwrite(store: Store, key: str, event: str) -> None:
    """Keep something else as the event, as another version might have done."""
    match store:
        case MemoryStore():
            store._rows[key].event = event
        case FirestoreStore():
            desk = await store._loaded()
            await desk.rows.reference(key).update({"event": event})
        case SqliteStore():
            values = (event, key)
            await store._write(
                lambda connection: connection.execute("UPDATE events SET event = ? WHERE key = ?", values)
            )


async def remove_parts(store: FirestoreStore, key: str) -> None:
    """What a long event is stored in beside its document."""
    reference = (await store._loaded()).rows.reference(key)
    for part in [one async for one in reference.collection("parts").stream()]:
        await part.reference.delete()


async def claimed(store: Store, key: str = "s:1", *, now: float = NOW, lease: float = 60) -> Claim:
    claim = await store.claim(key, now=now, lease=lease)
    assert claim is not None
    return claim


async def wait_for_lane(store: Store, *keys: str, lane: str = "main", due: float = NOW) -> None:
    """Accept events and let each wait for a lane."""
    for number, key in enumerate(keys):
        await store.accept([item(key, received_at=NOW + number)])
        claim = await claimed(store, key)
        await store.settle(claim, Settlement(state="waiting", ended_at=NOW, lane=lane, due=due))


def ended(state: Literal["done", "ignored", "waiting", "dead"] = "done", **fields: Any) -> Settlement:
    return Settlement(state=state, ended_at=fields.pop("ended_at", NOW + 1), **fields)
