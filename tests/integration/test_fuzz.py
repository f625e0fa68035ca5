"""A short run of what `make fuzz` does at length."""

from __future__ import annotations

import pytest

from badge_bridge.sources import PROVIDERS
from support.fuzz_run import run
from support.senders import SENDERS


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_but_the_controls_is_accepted_and_nothing_ends_in_5xx(seed: int) -> None:
    """Every provider, in each of its formats and ways of signing, meets controls, valid deliveries with one change, and garbage."""
    report = await run(6_000, seed)
    assert not report.wrong, report.wrong[:3]
    assert report.of("one change") >= 3_000
    assert report.of("control") >= 40
    for name in SENDERS:
        assert all(report.sent[name, kind] for kind in ("control", "one change", "garbage")), report.table()


def test_every_provider_has_a_sender() -> None:
    """A provider that is new here is not forgotten by the run, and what a sender tells is what its provider does."""
    assert {sender.provider for sender in SENDERS.values()} == set(PROVIDERS)


async def test_run_notices_a_source_that_accepts_what_it_must_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build without one check does not get through."""
    from badge_bridge.sources.zoom import Zoom  # noqa: PLC0415 - broken for this test alone

    monkeypatch.setattr(Zoom, "_verify", lambda self, delivery: "not at all")
    report = await run(2_000, 3)
    assert any(", zoom, " in line for line in report.wrong)
