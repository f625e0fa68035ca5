"""What ten thousand rules cost an event that ten of them are about."""

from __future__ import annotations

import time

from badge_bridge.rulesfile import RulesFile
from bench.rules_index import EVENT, rules
from bench.speed.figures import Figure, Row

__all__ = ["measure"]

CONCERNED = 10
GOAL = 3


def measure(*, quick: bool, runs: int) -> list[Row]:
    """One row. The figure is processor time, since nothing waits here."""
    few, many = rules(CONCERNED, 0), rules(CONCERNED, 10_000 - CONCERNED)
    times = 200 if quick else 1_000
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(_microseconds(many, times))
        theirs.append(_microseconds(few, times))
    return [
        Row(
            "deciding an event, 10,000 rules of which 10 are about it",
            "10 rules",
            "at most",
            GOAL,
            Figure(ours, theirs, "us"),
        )
    ]


def _microseconds(loaded: RulesFile, times: int) -> float:
    assert len(loaded.judge(EVENT)) == CONCERNED, "what is about the event is decided"
    began = time.thread_time()
    for _ in range(times):
        loaded.judge(EVENT)
    return (time.thread_time() - began) / times * 1e6
