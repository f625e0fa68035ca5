"""The second book where the store is Firestore: its documents, read by REST and with none of the package's code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from chaos.books import Attachment, Attempt, Event, Store

__all__ = ["places_in_documents", "read_documents"]

_OWNER = {"Authorization": "Bearer owner"}


def read_documents(client: httpx.Client, project: str, *, at_once: int = 300) -> Store:
    """All that is in the database, a page of so many documents after the other; `client` reaches the emulator.

    Raises:
        httpx.HTTPError: it cannot be read.
    """
    events, attempts = [], []
    for fields in _documents(client, project, "events", at_once):
        if "event" not in fields:
            continue  # it was deleted, and its name is kept
        event, history = json.loads(fields["event"]), json.loads(fields["history"])
        key = fields["key"]
        told = (fields["source"], fields["type"], event["id"], fields["state"], fields["reason"])
        events.append(Event(key, *told, attempts=fields["attempts"], failures=fields["failures"]))
        attempts += [Attempt(key, one["number"], one["started_at"], one["result"], one["outcomes"]) for one in history]
    attachments = [
        Attachment(fields["key"], fields["rule"], fields["activity"], fields["closed_at"] is not None)
        for fields in _documents(client, project, "attachments", at_once)
    ]
    return Store(events, attempts, attachments)


def places_in_documents(client: httpx.Client, project: str, text: str) -> list[str]:
    """Collections and fields that hold a text somewhere."""
    url = f"/v1/projects/{project}/databases/(default)/documents:listCollectionIds"
    listed = client.post(url, json={}, headers=_OWNER).raise_for_status().json()
    return sorted(
        {
            f"{collection}.{name}"
            for collection in listed.get("collectionIds", [])
            for fields in _documents(client, project, collection, 300)
            for name, value in fields.items()
            if text in str(value)
        }
    )


def _documents(client: httpx.Client, project: str, collection: str, at_once: int) -> Iterator[Mapping[str, Any]]:
    page = ""
    while True:
        url = f"/v1/projects/{project}/databases/(default)/documents/{collection}"
        answer = (
            client.get(url, params={"pageSize": at_once, "pageToken": page}, headers=_OWNER).raise_for_status().json()
        )
        for document in answer.get("documents", []):
            yield {name: _plain(value) for name, value in document.get("fields", {}).items()}
        page = answer.get("nextPageToken", "")
        if not page:
            return


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, what),) = value.items()
    return int(what) if kind == "integerValue" else what
