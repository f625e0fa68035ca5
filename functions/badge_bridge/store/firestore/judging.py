"""Calls of several legs: writing what they came to, in one transaction with the legs that end by it."""

from __future__ import annotations

from dataclasses import replace

from badge_bridge.store import transitions
from badge_bridge.store.firestore.database import AsyncTransaction, Database
from badge_bridge.store.firestore.documents import CALLS, document_id, read_call, write_call
from badge_bridge.store.firestore.rows import Rows, Stored
from badge_bridge.store.legs import Stage
from badge_bridge.store.protocol import Accepted, Judged, LegsRead
from badge_bridge.store.records import plain
from badge_bridge.store.rows import Row, new_row

__all__ = ["Judging"]


class Judging:
    def __init__(self, database: Database, rows: Rows) -> None:
        self._database = database
        self._rows = rows

    async def judge(self, accepted: Accepted, *, revision: int, legs: LegsRead, now: float) -> Judged:
        """As `Store.judge`."""
        new = new_row(accepted)
        new.revision, new.due = revision, now
        value = plain(legs.call)

        written: tuple[Row, Judged] | None = None

        async def work(transaction: AsyncTransaction) -> Judged:
            nonlocal written
            reference = self._database.document(CALLS, document_id(value))
            fields = (await self._database.read([reference], transaction)).get(reference.path)
            call = read_call(fields)
            is_whole = fields is None or call.legs <= legs.count
            wanted = {plain(key) for key in legs.open} if is_whole else {call.keeper} - {""}
            looked = await self._rows.look(*sorted({new.key} | wanted), transaction=transaction)
            stored = looked.stored
            if written and new.key in stored and stored[new.key].row == written[0]:
                return written[1]  # by the try before, to which no answer came
            is_news = new.key not in looked.gone and self._revise(transaction, stored, new, now)
            if fields is not None:
                stage = max(call.stage, Stage.FULL if legs.is_full else Stage.JUDGED)
                transaction.set(reference, write_call(value, replace(call, stage=stage)))
            for key in wanted & stored.keys():
                row = stored[key].row
                if transitions.join(row, legs, now) if is_whole else transitions.hasten(row, now):
                    self._rows.write(transaction, stored[key])
            judged = Judged(is_news, is_whole=is_whole)
            if is_news:
                written = stored[new.key].row if new.key in stored else new, judged
            return judged

        return await self._database.transact(f"{CALLS}/{value}", work)

    def _revise(self, transaction: AsyncTransaction, stored: dict[str, Stored], new: Row, now: float) -> bool:
        """Write the one event; whether it is news."""
        if new.key not in stored:
            self._rows.create(transaction, new)
            return True
        before = stored[new.key]
        is_news = transitions.revise(before.row, new, now)
        self._rows.write(transaction, before)
        return is_news
