"""What a month costs is arithmetic, and here done by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from support.cloud_prices import FREE, PRICES, SWEEPS, Load, busy_seconds, month, process_seconds
from support.firestore_bill import Cost
from support.firestore_run import Kind, Run

RUN = Run(
    kinds={
        "missed": Kind(
            {"claim": Cost(reads=1, writes=1, calls=3), "settle": Cost(reads=9, writes=7, calls=7)}, {}, 1, 3.0
        ),
        "legs": Kind({"accept": Cost(reads=40, writes=20, deletes=1, calls=8)}, {}, 4, 0.0, 6.0),
        "sweep": Kind({"next_due": Cost(reads=5)}, {}, messages=0),
        "forgotten": Kind({"forget": Cost(reads=3, writes=1, deletes=0.5)}, {}, messages=0),
    },
    states={},
    activities=Counter(),
    badges=0,
    size=0,
)


def load(**changes: Any) -> Load:
    given: dict[str, Any] = {
        "mix": {"missed": 0.5, "legs": 0.5},
        "hours": 720,
        "receive_seconds": 0.0,
        "store_seconds": 0.0,
        "portal_seconds": 0.0,
        "sweep_seconds": 1.0,
        "vcpu": 2.0,
        "gib": 0.5,
        "log_bytes": 1024.0,
        "retained": False,
    }
    return Load(**{**given, **changes})


def test_month_is_the_sum_of_its_events_and_sweeps() -> None:
    """Half a million calls told of once and half a million told of three times."""
    used = month(RUN, load(), 1_000_000).used
    assert used.reads == pytest.approx((500_000 * 10 + 500_000 * 40 + SWEEPS * 5) / 100_000)
    assert used.writes == pytest.approx((500_000 * 8 + 500_000 * 20) / 100_000)
    assert used.deletes == pytest.approx(5)
    assert used.million_requests == pytest.approx((500_000 * (1 + 1) + 500_000 * (3 + 4) + SWEEPS) / 1e6)
    assert used.pubsub_tib == pytest.approx(2 * 500_000 * 5 / 1024**3)
    assert used.logs_gib == pytest.approx((500_000 * 2 + 500_000 * 7) / 1024**2)


def test_month_costs_nothing_where_all_is_free() -> None:
    """A small bridge stays below what is free, also where it deletes what it has kept long enough."""
    small = month(RUN, load(retained=True, mix={"missed": 1.0}), 1000)
    assert small.total == 0
    assert small.total_without_free > 1


def test_month_costs_what_is_beyond_the_free_amounts() -> None:
    """Firestore's are those of thirty days."""
    large = month(RUN, load(mix={"missed": 1.0}), 10_000_000)
    assert large.billed.writes == pytest.approx((10_000_000 * 8 - 30 * FREE.writes) / 100_000 * PRICES.writes)
    assert large.full.writes == pytest.approx(10_000_000 * 8 / 100_000 * PRICES.writes)


def test_month_deletes_each_leg_and_the_call_when_they_are_kept_for_a_time() -> None:
    """Three legs and what they are judged as, each as one event whose time is over."""
    used = month(RUN, load(retained=True, mix={"legs": 1.0}), 100_000).used
    assert used.deletes == pytest.approx(4 * 0.5 + 1)
    assert used.writes == pytest.approx(4 * 1 + 20)


def test_work_is_what_the_events_wait_for() -> None:
    """Round trips to the store, requests to the portal, and moments that are waited for; taking in is another's."""
    assert process_seconds(RUN, load(mix={"missed": 1.0}, store_seconds=0.01, portal_seconds=0.2), 10) == pytest.approx(
        7
    )
    assert process_seconds(RUN, load(mix={"legs": 1.0}, store_seconds=0.01, portal_seconds=0.2), 10) == pytest.approx(
        60
    )


def test_instances_are_paid_while_they_are_busy() -> None:
    """Deliveries and sweeps, each by the size of an instance."""
    used = month(RUN, load(mix={"missed": 1.0}, receive_seconds=0.1), 1000).used
    assert used.vcpu_second == pytest.approx((SWEEPS + 100) * 2, rel=0.001)
    assert used.gib_second == pytest.approx((SWEEPS + 100) * 0.5, rel=0.001)


def test_requests_that_overlap_share_an_instance() -> None:
    """Few requests cost their own time, many no more than the hours in which they come."""
    assert busy_seconds(20.0, 100) == pytest.approx(20, rel=0.001)
    assert busy_seconds(2e9, 100) == pytest.approx(360_000)
