"""One object of Cloud Storage, read whole over its JSON API."""

from __future__ import annotations

import re
from urllib.parse import quote

from badge_bridge.errors import BridgeError, GoogleError
from badge_bridge.gcp.rest import GoogleApi

__all__ = ["BASE", "EMULATOR", "ObjectUnusable", "read_object"]

BASE = "https://storage.googleapis.com"
EMULATOR = "STORAGE_EMULATOR_HOST"

_OBJECT = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(.+)")


class ObjectUnusable(BridgeError):
    """The object cannot be had as long as nobody changes something; the message says what."""


async def read_object(uri: str, api: GoogleApi) -> bytes:
    """The content of `gs://bucket/object`.

    Raises:
        ObjectUnusable: there is no such object, or no right to read it.
        GoogleError: it cannot be had now.
    """
    found = _OBJECT.fullmatch(uri)
    if found is None:
        raise ObjectUnusable("this is no object of Cloud Storage; write gs://BUCKET/OBJECT")
    bucket, name = found.groups()
    try:
        response = await api.fetch(
            # Cloud Storage docs, "Encoding URL path parts": a slash in a name is percent-encoded too.
            "GET",
            f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}",
            params={"alt": "media"},
        )
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
