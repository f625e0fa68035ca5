"""Trying ended events again: what comes of each, and the trace that it leaves."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from badge_bridge.redriving import left_alone, redrive_each
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Redrive
from support.stores import NOW, claimed, ended, item


async def dead(store: MemoryStore, *keys: str) -> None:
    for key in keys:
        await store.accept([item(key)])
        await store.settle(await claimed(store, key), ended("dead"))


async def test_redrive_is_kept_with_the_event_and_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """When, by which way and with which rules; the log has one line for all of them."""
    store = MemoryStore()
    await store.open()
    await dead(store, "s:1", "s:2")
    await store.accept([item("s:3")])
    heard: list[int] = []
    with caplog.at_level(logging.INFO, "badge_bridge.redriving"):
        said = await redrive_each(
            store, ["s:1", "s:2", "s:3"], clock=lambda: NOW + 5, then=False, by="console", told=heard.append
        )
    assert [refusal.kind if refusal else "" for refusal in said.values()] == ["", "", "open"]
    stored = await store.get("s:1")
    assert stored is not None
    assert stored.history[-1].redriven == Redrive(NOW + 5, "console", "")
    assert heard == [3]
    assert caplog.messages == [
        "2 events redriven from the console, with the rules of now; left alone: 1 not ended yet",
    ]


async def test_line_names_the_event_when_one_is_redriven(caplog: pytest.LogCaptureFixture) -> None:
    """As the other lines that are about one event; also where it was named twice."""
    store = MemoryStore()
    await store.open()
    await dead(store, "s:1")
    with caplog.at_level(logging.INFO, "badge_bridge.redriving"):
        await redrive_each(store, ["s:1", "s:1"], clock=lambda: NOW, then=False, by="command")
    assert caplog.messages == ["1 event redriven by a command (s:1), with the rules of now"]


def test_reasons_of_those_left_alone_are_counted() -> None:
    """The one that most of them have stands first."""
    assert left_alone(Counter({"open": 1, "gone": 2})) == "2 not in the store any more; 1 not ended yet"
    assert left_alone({}) == ""
