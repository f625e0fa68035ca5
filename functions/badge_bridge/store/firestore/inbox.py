"""Taking events in, over REST: one commit that creates the event's document, or refuses because it is there.

A leg of a call, and a delivery with several events, are written in a transaction that reads before. Where no answer
came the same is sent again: whether a document that is there then was written by the try before is told by its
`receipt`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from badge_bridge.errors import GoogleError, StoreUnavailable
from badge_bridge.gcp.rest import GoogleApi, again_where_lost
from badge_bridge.store import transitions
from badge_bridge.store.firestore.documents import (
    CALLS,
    EVENTS,
    LET_GO,
    NOTES,
    PARTS,
    PASSING,
    document_id,
    names_of_parts,
    read_call,
    read_row,
    write_call,
    write_row,
)
from badge_bridge.store.firestore.wire import read_fields, write_fields
from badge_bridge.store.legs import Call, place
from badge_bridge.store.protocol import Accepted, LegPlace, Note
from badge_bridge.store.records import Unreadable, plain
from badge_bridge.store.rows import Row, new_row

__all__ = ["Inbox"]

TRIES = 6
FIRST_WAIT = 0.1
"""Seconds before the second try; doubled each time, and spread, which makes about 3 s of waiting."""

TIMEOUT = 3.0
"""Seconds for one call: where a connection is lost, there must be time for another before the provider gives up."""

TOTAL = 8.0
"""Seconds for all tries together; letting go of a transaction may come on top."""


class Inbox:
    """`database` is its resource name, `projects/{project}/databases/{database}`."""

    def __init__(
        self,
        api: GoogleApi,
        database: str,
        *,
        new_token: Callable[[], str],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._documents = f"{database}/documents"
        self._new_token = new_token
        self._sleep = sleep

    async def accept(self, batch: Sequence[Accepted]) -> list[bool]:
        """As `Store.accept`."""
        entries = [_Entry(new_row(accepted), accepted.leg) for accepted in batch]
        if not entries:
            return []
        receipt = self._new_token()
        is_simple = len(entries) == 1 and entries[0].leg is None
        accept = self._create if is_simple else self._place
        return await self._again_and_again(lambda is_first: accept(entries, receipt, is_first=is_first))

    async def _again_and_again(self, do: Callable[[bool], Awaitable[list[bool]]]) -> list[bool]:
        try:
            async with asyncio.timeout(TOTAL):
                for number in range(TRIES):
                    try:
                        return await do(number == 0)
                    except GoogleError as error:
                        if number == TRIES - 1 or error.status not in PASSING:
                            raise StoreUnavailable(f"Firestore cannot take events: {error}") from error
                    # Those that were in each other's way must not meet again.
                    await self._sleep(FIRST_WAIT * 2**number * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        except TimeoutError:
            pass
        raise StoreUnavailable(f"Firestore took no event within {TOTAL:g} s")

    async def _create(self, entries: Sequence[_Entry], receipt: str, *, is_first: bool) -> list[bool]:
        [entry] = entries
        try:
            await self._commit(self._writes(entry.row, receipt))
        except GoogleError as error:
            if error.status != "ALREADY_EXISTS":
                raise
            # Only a try of ours whose answer was lost can have left our receipt.
            return [not is_first and await self._is_ours(entry.row, receipt)]
        return [True]

    async def _is_ours(self, row: Row, receipt: str) -> bool:
        name = self._name(EVENTS, document_id(row.key))
        return (await self._read([name])).get(name, {}).get("receipt") == receipt

    async def _place(self, entries: Sequence[_Entry], receipt: str, *, is_first: bool) -> list[bool]:
        """Write what is new, and let each leg find its place among those of its call."""
        event_names = {entry.row.key: self._name(EVENTS, document_id(entry.row.key)) for entry in entries}
        call_names = {
            plain(entry.leg.call): self._name(CALLS, document_id(plain(entry.leg.call)))
            for entry in entries
            if entry.leg
        }
        # Begun by a request of its own: without its name, nobody could let go of what it has read.
        transaction = (await self._post("beginTransaction", {"options": {"readWrite": {}}}))["transaction"]
        try:
            found = await self._read([*event_names.values(), *call_names.values()], transaction)
            desk = _Desk(
                known={key for key, name in event_names.items() if name in found},
                calls={value: read_call(found.get(name)) for value, name in call_names.items()},
            )
            await self._fetch_keepers(desk, transaction)
            # Finding its place changes a row, and a further try must begin with what came in.
            fresh = [desk.take(replace(entry.row), entry.leg) for entry in entries]
            await self._commit(self._placed(desk, call_names, receipt), transaction)
        except BaseException:
            await self._roll_back(transaction)
            raise
        if is_first:
            return fresh
        ours = {key for key, name in event_names.items() if found.get(name, {}).get("receipt") == receipt}
        answers = []
        for is_new, entry in zip(fresh, entries, strict=True):
            answers.append(is_new or entry.row.key in ours)
            ours.discard(entry.row.key)
        return answers

    def _placed(self, desk: _Desk, call_names: Mapping[str, str], receipt: str) -> list[dict[str, Any]]:
        """The writes that put down what lies on the desk."""
        writes = [write for row in desk.new.values() for write in self._writes(row, receipt)]
        calls = {value: desk.calls[value] for value in sorted(desk.changed_calls)}
        writes += [self._set(call_names[value], write_call(value, call)) for value, call in calls.items()]
        for keeper in desk.hurried.values():
            fields = write_row(keeper).fields
            changed = {name: fields[name] for name in ("due", "wake_at", "ready")}
            writes.append(self._update(self._name(EVENTS, document_id(keeper.key)), changed))
        return writes

    async def _roll_back(self, transaction: str) -> None:
        """Let go of what the transaction has read; where even that fails, Firestore does so after a minute."""
        with contextlib.suppress(GoogleError):
            await self._post("rollback", {"transaction": transaction}, timeout=LET_GO)

    async def _fetch_keepers(self, desk: _Desk, transaction: str) -> None:
        keys = {call.keeper for call in desk.calls.values() if call.keeper}
        names = {key: self._name(EVENTS, document_id(key)) for key in keys}
        found = await self._read(list(names.values()), transaction)
        for key, name in names.items():
            # One that has ended waits for nobody, and its parts may be gone.
            if found.get(name, {}).get("state") == "waiting":
                fields = found[name]
                parts = {part: f"{name}/{PARTS}/{part}" for part in names_of_parts(fields)}
                contents = await self._read(list(parts.values()), transaction)
                found_parts = {part: contents[path]["bytes"] for part, path in parts.items() if path in contents}
                # Where it cannot be read, nobody can rely on it.
                with contextlib.suppress(Unreadable):
                    desk.keepers[key] = read_row(fields, found_parts)

    async def _read(self, names: Sequence[str], transaction: str = "") -> dict[str, dict[str, Any]]:
        """The fields of those documents that there are, by name."""
        if not names:
            return {}
        within = {"transaction": transaction} if transaction else {}
        answers = await self._post("batchGet", {"documents": list(names), **within})
        found = [answer["found"] for answer in answers if "found" in answer]
        return {document["name"]: read_fields(document.get("fields", {})) for document in found}

    async def _commit(self, writes: Sequence[Mapping[str, Any]], transaction: str = "") -> None:
        body: dict[str, Any] = {"writes": list(writes)}
        if transaction:
            body["transaction"] = transaction
        await self._post("commit", body)

    async def note(self, name: str) -> Note | None:
        """As `Store.note`: what a source of an application's events is checked by."""
        document = self._name(NOTES, document_id(plain(name)))
        try:
            fields = (await again_where_lost(lambda: self._read([document]))).get(document)
        except GoogleError as error:
            raise StoreUnavailable(f"Firestore cannot be read: {error}") from error
        return Note(fields["text"], fields["version"]) if fields else None

    async def ping(self, *, write: bool) -> None:
        """Return when Firestore answers; with `write`, when it takes a small write.

        Raises:
            StoreUnavailable: it does not.
        """
        try:
            name = self._name(NOTES, "health")
            if write:
                await again_where_lost(lambda: self._commit([self._set(name, {"text": "", "version": 0})]))
            else:
                await again_where_lost(lambda: self._read([name]))
        except GoogleError as error:
            raise StoreUnavailable(f"Firestore does not answer: {error}") from error

    async def _post(self, method: str, body: Any, *, timeout: float = TIMEOUT) -> Any:  # noqa: ASYNC109 - as `call`
        return await self._api.call("POST", f"/v1/{quote(self._documents)}:{method}", json=body, timeout=timeout)

    def _name(self, collection: str, id_: str) -> str:
        return f"{self._documents}/{collection}/{id_}"

    def _writes(self, row: Row, receipt: str) -> list[dict[str, Any]]:
        written = write_row(row)
        name = self._name(EVENTS, document_id(row.key))
        creation = self._set(name, {**written.fields, "receipt": receipt})
        parts = [self._set(f"{name}/{PARTS}/{part}", fields) for part, fields in written.parts.items()]
        return [{**creation, "currentDocument": {"exists": False}}, *parts]

    def _set(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"update": {"name": name, "fields": write_fields(fields)}}

    def _update(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        mask = {"updateMask": {"fieldPaths": list(fields)}, "currentDocument": {"exists": True}}
        return {**self._set(name, fields), **mask}


@dataclass(frozen=True, slots=True)
class _Entry:
    row: Row
    leg: LegPlace | None


@dataclass(slots=True)
class _Desk:
    """What one delivery brings, put in its place one event after the other."""

    known: set[str]
    calls: dict[str, Call]
    keepers: dict[str, Row] = field(default_factory=dict)
    new: dict[str, Row] = field(default_factory=dict)
    changed_calls: set[str] = field(default_factory=set)
    hurried: dict[str, Row] = field(default_factory=dict)

    def take(self, row: Row, leg: LegPlace | None) -> bool:
        """Whether it is new."""
        if row.key in self.known:
            return False
        self.known.add(row.key)
        self.new[row.key] = row
        if leg is not None:
            self._place(row, leg)
        return True

    def _place(self, row: Row, leg: LegPlace) -> None:
        value = plain(leg.call)
        call = self.calls[value]
        keeper = self.new.get(call.keeper) or self.keepers.get(call.keeper)
        keeper_waits = keeper is not None and transitions.keeps_its_call(keeper)
        placing = place(row.key, leg, row.received_at, call=call, keeper_waits=keeper_waits)
        self.calls[value] = placing.call
        self.changed_calls.add(value)
        transitions.put(row, placing)
        if keeper is not None and transitions.hurry(keeper, placing, row.received_at) and keeper.key not in self.new:
            self.hurried[keeper.key] = keeper
