"""Secrets from Secret Manager over its REST API: all enabled versions of a secret, or the one that is named."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from badge_bridge.errors import BridgeError, GoogleError
from badge_bridge.gcp.rest import GoogleApi
from badge_bridge.secret_references import SecretReference, parse

__all__ = ["BASE", "EMULATOR", "MAX_VERSIONS", "SecretUnusable", "read_secrets"]

BASE = "https://secretmanager.googleapis.com"
EMULATOR = "SECRET_MANAGER_EMULATOR_HOST"

MAX_VERSIONS = 5
"""Enabled versions of one secret that are read. Each is one more key that a delivery may be signed with."""

_AT_ONCE = 16
"""Requests on their way at the same time."""

_READER = "roles/secretmanager.secretAccessor"
# The least of the roles that Google has made which allows secretmanager.versions.list; the accessor's does not.
_LISTER = "roles/secretmanager.viewer"

_log = logging.getLogger("badge_bridge.start")

T = TypeVar("T")


class SecretUnusable(BridgeError):
    """The secret cannot be had as long as nobody changes something; the message says what, without its value."""


async def read_secrets(
    references: Iterable[str], api: GoogleApi, *, project: str
) -> dict[str, tuple[str, ...] | SecretUnusable]:
    """For each reference, as `parse` knows them, the values that it stands for, newest first, or why there are none.

    `project` is that of references which name none; empty where none is known.

    Raises:
        GoogleError: Secret Manager cannot be asked now, or does not know who asks.
    """
    reading = _Reading(api, project, asyncio.Semaphore(_AT_ONCE))
    return dict(await _all(reading.outcome(reference) for reference in sorted(set(references))))


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """As `gather`, but nothing is left running when one fails."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return [one for one in done if not isinstance(one, BaseException)]


@dataclass(frozen=True, slots=True)
class _Reading:
    api: GoogleApi
    project: str
    room: asyncio.Semaphore

    async def outcome(self, reference: str) -> tuple[str, tuple[str, ...] | SecretUnusable]:
        try:
            return reference, await self._values(reference)
        except SecretUnusable as trouble:
            return reference, trouble
        except GoogleError as error:
            message = f"{reference} cannot be read from Secret Manager: {error.message}"
            raise GoogleError(error.code, error.status, message) from error

    async def _values(self, reference: str) -> tuple[str, ...]:
        parsed = parse(reference)
        assert parsed is not None, reference
        secret = _Secret(parsed, parsed.project or self.project)
        if not secret.project:
            raise SecretUnusable(
                "the project of this secret is not known; set GOOGLE_CLOUD_PROJECT, or write "
                f"sm://projects/PROJECT/secrets/{parsed.name}"
            )
        if parsed.version:
            return (secret.text(parsed.version, await self._payload(secret, parsed.version)),)
        versions = await self._enabled(secret)
        payloads = await _all(self._payload_if_enabled(secret, version) for version in versions)
        values = tuple(
            secret.text(version, data) for version, data in zip(versions, payloads, strict=True) if data is not None
        )
        if not values:
            raise SecretUnusable(f"{secret} has no enabled version; add one, or enable one")
        return values

    async def _enabled(self, secret: _Secret) -> Sequence[str]:
        """The enabled versions, newest first, as Secret Manager sorts them (docs, projects.secrets.versions.list)."""
        found: list[str] = []
        page: dict[str, str] = {}
        while True:
            params = {"filter": "state:ENABLED", **page}
            try:
                answer = await self._call(f"{secret.path}/versions", params)
            except GoogleError as error:
                raise _explained(
                    secret, error, f"{_LISTER}, to list its versions, and {_READER}, to read them"
                ) from error
            found += [
                one["name"].rpartition("/")[2] for one in answer.get("versions", ()) if one.get("state") == "ENABLED"
            ]
            token = answer.get("nextPageToken")
            if len(found) > MAX_VERSIONS:
                _log.warning(
                    "%s has more than %d enabled versions; only the newest %d count: disable those that are not needed",
                    secret, MAX_VERSIONS, MAX_VERSIONS,
                )  # fmt: skip
                return found[:MAX_VERSIONS]
            if not token:
                return found
            page = {"pageToken": token}

    async def _payload(self, secret: _Secret, version: str) -> bytes:
        try:
            answer = await self._call(f"{secret.path}/versions/{version}:access")
        except GoogleError as error:
            if _is_not_enabled(error):
                raise SecretUnusable(f"version {version} of {secret} is not enabled ({error.message})") from error
            raise _explained(secret, error, f"{_READER}, to read it", version) from error
        return _checked(answer)

    async def _payload_if_enabled(self, secret: _Secret, version: str) -> bytes | None:
        """None for a version that was disabled or destroyed since it was listed."""
        try:
            return await self._payload(secret, version)
        except SecretUnusable as trouble:
            if isinstance(trouble.__cause__, GoogleError) and _is_not_enabled(trouble.__cause__):
                return None
            raise

    async def _call(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        async with self.room:
            answer = await self.api.call("GET", path, params=params)
        if not isinstance(answer, dict):
            raise GoogleError(200, "INTERNAL", "the answer is no JSON object")
        return answer


@dataclass(frozen=True, slots=True)
class _Secret:
    reference: SecretReference
    project: str

    def __str__(self) -> str:
        return f"secret {self.reference.name} of project {self.project}"

    @property
    def path(self) -> str:
        return f"/v1/projects/{self.project}/secrets/{self.reference.name}"

    def text(self, version: str, data: bytes) -> str:
        """The value without the line end that `echo` or an editor leaves."""
        whose = f"version {version} of {self}"
        try:
            value = re.sub(r"\r?\n\Z", "", data.decode())
        except UnicodeDecodeError:
            raise SecretUnusable(f"{whose} is no UTF-8 text; add a version that is, and disable this one") from None
        if not value:
            raise SecretUnusable(f"{whose} is empty; add a version that is not, and disable this one")
        if not value.isprintable():
            raise SecretUnusable(
                f"{whose} has a line end or another invisible character; add a version without, and disable this one"
            )
        return value


def _is_not_enabled(error: GoogleError) -> bool:
    """Secret Manager says so of disabled and of destroyed versions, with HTTP status 400."""
    return error.status == "FAILED_PRECONDITION"


def _explained(secret: _Secret, error: GoogleError, roles: str, version: str = "") -> BridgeError:
    """What somebody has to change, where that is what it takes."""
    if error.code == 404:
        what = f"version {version} of {secret}" if version else str(secret)
        return SecretUnusable(f"there is no {what}; create it, or correct the name ({error.message})")
    if error.code == 403:
        return SecretUnusable(
            f"this process may not use {secret}; grant its service account {roles}, on this secret ({error.message})"
        )
    if error.code == 400:
        return SecretUnusable(f"{secret}: {error.message}")
    return error


def _checked(answer: dict[str, Any]) -> bytes:
    """The payload of an answer, whole (Secret Manager docs, SecretPayload).

    Raises:
        GoogleError: it was damaged on its way.
    """
    try:
        payload = answer["payload"]
        data = base64.b64decode(payload.get("data", ""), validate=True)
        checksum = int(payload["dataCrc32c"]) if "dataCrc32c" in payload else None
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise GoogleError(200, "INTERNAL", "the answer has no payload that can be read") from error
    if checksum is not None and checksum != _crc32c(data):
        raise GoogleError(200, "DATA_LOSS", "the payload was damaged on its way")
    return data


def _crc32c(data: bytes) -> int:
    """CRC-32 with Castagnoli's polynomial (RFC 3720, appendix B.4), which zlib does not have."""
    table = _crc32c_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def _crc32c_table() -> tuple[int, ...]:
    table = []
    for number in range(256):
        crc = number
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
