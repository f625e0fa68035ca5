"""What `make chaos CLOUD=1` stands on: a way to Firestore that can be shut, and its documents read by ourselves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from badge_bridge.store.firestore import FirestoreStore
from badge_bridge.store.protocol import Attachment
from chaos.books import Attachment as AttachmentRow
from chaos.books import Attempt, Event
from chaos.documents import places_in_documents, read_documents
from chaos.gate import Gate
from support.stores import NOW, claimed, ended, item, project


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that takes connections; what it does with them is for the test."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def connected(gate: Gate) -> socket.socket:
    host, _, port = gate.host.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_gate_passes_on_what_is_said_until_it_is_shut(listener: socket.socket) -> None:
    """Then what is connected is cut off, and who comes anew hears nothing, until it is opened again."""
    gate = Gate(f"127.0.0.1:{listener.getsockname()[1]}")
    try:
        with connected(gate) as client:
            there, _ = listener.accept()
            with there:
                client.sendall(b"question")
                assert there.recv(100) == b"question"
                there.sendall(b"answer")
                assert client.recv(100) == b"answer"
                gate.shut()
                assert client.recv(100) == b""
        with connected(gate) as refused:
            assert refused.recv(100) == b""
        gate.open()
        with connected(gate) as again:
            there, _ = listener.accept()
            with there:
                again.sendall(b"question")
                assert there.recv(100) == b"question"
    finally:
        gate.close()


@pytest.mark.slow
async def test_documents_are_read_as_the_store_has_written_them(firestore: str, tmp_path: Path) -> None:
    """Events with their attempts, and the ledger, over more than one page."""
    store = FirestoreStore(project(tmp_path))
    await store.open()
    try:
        await store.accept([item(f"s:{number}") for number in range(5)])
        claim = await claimed(store)
        assert await store.settle(claim, ended(ended_at=NOW + 1))
        row = Attachment(claim.key, "r", "main", "missed", 2, 7, NOW, "", "{}")
        await store.attach(row)
        with httpx.Client(base_url=f"http://{firestore}", trust_env=False) as client:
            book = read_documents(client, project(tmp_path), at_once=2)
    finally:
        await store.close()
    assert len(book.events) == 5
    event = next(one for one in book.events if one.key == claim.key)
    known = claim.event
    assert event == Event(claim.key, known.source, known.type, known.id, "done", "", attempts=1, failures=0)
    assert book.attempts == [Attempt(claim.key, 1, book.attempts[0].started_at, "done")]
    assert book.attachments == [AttachmentRow(claim.key, "r", None, closed=False)]


@pytest.mark.slow
async def test_documents_say_what_has_gone_and_where_a_text_is(firestore: str, tmp_path: Path) -> None:
    """Of an event that was deleted the document stays, which is no event any more."""
    store = FirestoreStore(project(tmp_path))
    await store.open()
    try:
        await store.accept([item("s:1", caller="+4930901820"), item("s:2", caller="+4930901821")])
        claim = await claimed(store, "s:1")
        assert await store.settle(claim, ended(ended_at=NOW + 1))
        await store.forget(before=NOW + 2, limit=9)
        with httpx.Client(base_url=f"http://{firestore}", trust_env=False) as client:
            book = read_documents(client, project(tmp_path))
            places = [places_in_documents(client, project(tmp_path), text) for text in ("30901820", "30901821")]
    finally:
        await store.close()
    assert [event.key for event in book.events] == ["s:2"]
    assert places == [[], ["events.event"]]
