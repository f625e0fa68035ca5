"""How many events are fully done, badge and card, for each request to the portal while many wait.

On virtual time, so that the machine does not matter; the turns differ in who calls. Nobody calls twice, which would
save requests.
"""

from __future__ import annotations

import logging
from random import Random

from bench.portal_requests import drained, one_by_one
from bench.speed.figures import Figure, Row

__all__ = ["measure"]

EVENTS = 1000
GOAL = 15


def measure(*, quick: bool, runs: int) -> list[Row]:
    """One row."""
    logging.disable(logging.ERROR)
    try:
        turns = []
        for seed in range(runs):
            chance = Random(seed)  # noqa: S311 - chance, no secret
            turns.append(drained(chance.sample(range(1, 2 * EVENTS + 1), EVENTS)))
        alone = one_by_one()
    finally:
        logging.disable(logging.NOTSET)
    assert not any(turn.refused for turn in (*turns, alone)), "the portal's limit was kept"
    return [
        Row(
            "events done for a request to the portal, 1,000 waiting",
            f"one call at a time: {alone.per_request:g}",
            "at least",
            GOAL,
            Figure([turn.per_request for turn in turns], (), "events"),
            details={"events": EVENTS, "requests": [turn.requests for turn in turns]},
        )
    ]
