"""Finding events by what their keys begin with, as every store does it."""

from __future__ import annotations

import pytest

from badge_bridge.store.protocol import Store
from support.stores import NOW, item

KEYS = ("reception:00a1", "reception:00a2", "reception:00b1", "reception2:00a1")


@pytest.fixture(autouse=True)
async def events(store: Store) -> None:
    items = [item(key, source=key.partition(":")[0], received_at=NOW + number) for number, key in enumerate(KEYS)]
    await store.accept(items)


@pytest.mark.parametrize(
    ("beginning", "found"),
    [
        ("reception:00a", ["reception:00a1", "reception:00a2"]),
        ("reception:00b1", ["reception:00b1"]),
        ("reception:", list(KEYS[:3])),
        ("reception", sorted(KEYS)),
        ("", sorted(KEYS)),
        ("reception:00c", []),
        ("reception:00a1:", []),
        ("Reception:00a", []),
        ("reception:00_", []),
    ],
)
async def test_keys_are_those_that_begin_with_a_text(store: Store, beginning: str, found: list[str]) -> None:
    """In their order, and the text is taken letter by letter."""
    assert list(await store.keys(beginning, limit=10)) == found


async def test_keys_are_no_more_than_asked_for(store: Store) -> None:
    """Two tell already that a beginning means none for sure."""
    assert list(await store.keys("reception:", limit=2)) == ["reception:00a1", "reception:00a2"]
    assert list(await store.keys("reception:", limit=0)) == []
