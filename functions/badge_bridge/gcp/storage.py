"""One object of Cloud Storage over its JSON API: read whole, and its versions listed.

An address may end in `#GENERATION`, as gcloud writes it, and is then about that version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from badge_bridge.errors import BridgeError, GoogleError
from badge_bridge.gcp.rest import GoogleApi

__all__ = ["BASE", "EMULATOR", "ObjectUnusable", "Version", "read_object", "versions"]

BASE = "https://storage.googleapis.com"
EMULATOR = "STORAGE_EMULATOR_HOST"

_OBJECT = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(.+?)(?:#([0-9]+))?")


class ObjectUnusable(BridgeError):
    """The object cannot be had as long as nobody changes something; the message says what."""


async def read_object(uri: str, api: GoogleApi) -> bytes:
    """The content of `gs://bucket/object`.

    Raises:
        ObjectUnusable: there is no such object, or no right to read it.
        GoogleError: it cannot be had now.
    """
    bucket, name, generation = _parts(uri)
    params = {"alt": "media"} | ({"generation": generation} if generation else {})
    try:
        # Cloud Storage docs, "Encoding URL path parts": a slash in a name is percent-encoded too.
        response = await api.fetch("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}", params=params)
    except GoogleError as error:
        if error.code == 404:
            raise ObjectUnusable("there is no such object, or no such bucket; upload it, or correct RULES") from error
        if error.code == 403:
            raise ObjectUnusable(
                "this process may not read the object; grant its service account roles/storage.objectViewer on the "
                f"bucket {bucket}"
            ) from error
        raise GoogleError(error.code, error.status, f"{uri} cannot be read now: {error.message}") from error
    return response.content


@dataclass(frozen=True, slots=True)
class Version:
    uri: str
    is_live: bool
    """Whether the object's own address gives it."""


async def versions(uri: str, api: GoogleApi) -> list[Version]:
    """All that a bucket keeps of an object, newest first; of one version, itself.

    Raises:
        ObjectUnusable: this is no object's address.
        GoogleError: they cannot be listed.
    """
    bucket, name, generation = _parts(uri)
    if generation:
        return [Version(uri, is_live=True)]
    found: dict[int, bool] = {}
    page: dict[str, str] = {}
    while True:
        # Names that only begin so are listed, too, and what is newest comes last (docs, objects.list).
        params = {
            "prefix": name,
            "versions": "true",
            "fields": "items(name,generation,timeDeleted),nextPageToken",
            **page,
        }
        answer = await api.call("GET", f"/storage/v1/b/{bucket}/o", params=params)
        for item in answer.get("items", ()):
            if item["name"] == name:
                found[int(item["generation"])] = "timeDeleted" not in item
        if "nextPageToken" not in answer:
            return [Version(f"{uri}#{number}", is_live) for number, is_live in sorted(found.items(), reverse=True)]
        page = {"pageToken": answer["nextPageToken"]}


def _parts(uri: str) -> tuple[str, str, str | None]:
    """Bucket, name and generation."""
    found = _OBJECT.fullmatch(uri)
    if found is None:
        raise ObjectUnusable("this is no object of Cloud Storage; write gs://BUCKET/OBJECT")
    return found[1], found[2], found[3]
