"""What is counted of Firestore is what it bills, and the figures are not printed for a build that does not work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.store.firestore import FirestoreStore
from badge_bridge.store.firestore.ledger import Ledger
from support.firestore_bill import Bill, Cost, billed
from support.firestore_run import KINDS, run_counted
from support.stores import NOW, item, project


@pytest.fixture(autouse=True)
def quiet(firestore: str) -> Iterator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


async def test_bill_has_each_document_that_is_read_written_or_deleted(tmp_path: Path) -> None:
    """Also one read for what is not there and for a query that finds nothing; a refused commit stands apart."""
    async with AsyncExitStack() as stack:
        official, bill = FirestoreStore(project(tmp_path)), Bill()
        await official.open()
        stack.push_async_callback(official.close)
        store = await billed(official, bill)

        async def cost(method: str, *given: Any, **options: Any) -> Cost:
            await getattr(store, method)(*given, **options)
            costs, uses = bill.taken()
            assert (set(costs), uses) == ({method}, {method: 1})
            return costs[method]

        assert await cost("get", "nothing") == Cost(reads=1, calls=1)
        assert await cost("note", "nothing") == Cost(reads=1, calls=1)
        assert await cost("attachments", "nothing") == Cost(reads=1, calls=1)
        assert await cost("accept", [item(), item("s:2")]) == Cost(reads=2, writes=2, calls=3)
        assert await cost("accept", [item("s:3")]) == Cost(writes=1, calls=1)
        assert await cost("accept", [item("s:3")]) == Cost(calls=1, refused=1)
        assert await cost("list") == Cost(reads=3, calls=1)
        assert await cost("claim", "s:1", now=NOW, lease=60) == Cost(reads=1, writes=1, calls=3)
        assert await cost("hold", "turn", holder="a", now=NOW, seconds=9) == Cost(reads=1, writes=1, calls=2)
        assert await cost("let_go", "turn", holder="a") == Cost(reads=1, deletes=1, calls=2)


@pytest.mark.slow
async def test_figures_are_those_of_events_that_ended_as_they_should() -> None:
    """A run of every kind is without mistakes, and a plain event costs no more than three writes."""
    run = await run_counted(3)
    assert run.mistakes() == []
    assert set(run.kinds) == set(KINDS)
    assert run.kinds["unmatched"].cost == Cost(reads=2, writes=3, calls=7)
    assert run.kinds["missed"].cost.writes == 5 + run.kinds["missed"].requests
    assert run.kinds["sweep"].cost.writes == 0
    assert run.kinds["legs"].messages == 4
    assert run.kinds["legs"].waited > run.kinds["missed"].waited == 0
    assert run.size > 500


@pytest.mark.slow
async def test_figures_are_called_worthless_when_a_build_clears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that finds no open badge costs less, and its badges stay."""

    async def blind(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(Ledger, "open_attachments", blind)
    assert any("returned events" in mistake for mistake in (await run_counted(2)).mistakes())
