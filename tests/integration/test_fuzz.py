"""A short run of what `make fuzz` does at length."""

from __future__ import annotations

import pytest

from badge_bridge.sources import PROVIDERS
from support import fuzz_run
from support.fuzz_run import KINDS, Kind, run
from support.handshakes import HANDSHAKES
from support.senders import SENDERS


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_but_the_controls_is_accepted_and_nothing_ends_in_5xx(seed: int) -> None:
    """Every provider, in each of its formats and ways of signing, meets controls, valid deliveries with one change, and garbage."""
    report = await run(6_000, seed)
    assert not report.wrong, report.wrong[:3]
    for name, sender in SENDERS.items():
        kinds = [kind for kind in KINDS if kind != "handshake" or sender.provider in HANDSHAKES]
        assert all(report.sent[name, kind] for kind in kinds), report.table()


@pytest.mark.parametrize(("sent", "missing"), [("one change", "control"), ("control", "one change")])
async def test_run_with_too_few_of_a_kind_fails(monkeypatch: pytest.MonkeyPatch, sent: Kind, missing: Kind) -> None:
    """A run that hardly tries what it is for, with any provider or with all, says so and counts as failed."""
    monkeypatch.setattr(fuzz_run, "kind_of", lambda turn, provider: sent)
    said = [line for line in (await run(2 * len(SENDERS), 3)).wrong if line.startswith("too few")]
    assert {line.partition(":")[0] for line in said} == {f"too few of the kind '{missing}'"}
    assert [line.partition(" requests to ")[2].partition(";")[0] for line in said] == ["all providers", *PROVIDERS]


def test_every_provider_has_a_sender() -> None:
    """A provider that is new here is not forgotten by the run, and what a sender tells is what its provider does."""
    assert {sender.provider for sender in SENDERS.values()} == set(PROVIDERS), "see tests/support/senders.py"


async def test_run_notices_a_source_that_accepts_what_it_must_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build without one check does not get through."""
    from badge_bridge.sources.zoom import Zoom  # noqa: PLC0415 - broken for this test alone

    monkeypatch.setattr(Zoom, "_verify", lambda self, delivery: "not at all")
    report = await run(2_000, 3)
    assert any(", zoom, " in line for line in report.wrong)
