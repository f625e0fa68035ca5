"""The rules and the keys that the settings name: fetched, with the secrets that they refer to in Secret Manager.

A rules file is a path or an object of Cloud Storage. What is fetched is fetched by whoever starts: a new version of a
secret counts for processes that start later, or that find other rules (`hash_of_rules`) and start with them anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from badge_bridge.errors import BridgeError, Finding, GoogleError, RulesError, SettingsError
from badge_bridge.gcp.tokens import TokenSource, access_tokens
from badge_bridge.http import AsyncBaseTransport, keep_addresses_out_of_logs
from badge_bridge.rulesfile import Draft, RulesFile, read_file, rules_hash
from badge_bridge.secret_references import PREFIX
from badge_bridge.settings import Settings, encryption_keys
from badge_bridge.sources import OPTIONS

if TYPE_CHECKING:
    from badge_bridge.gcp.rest import GoogleApi
    from badge_bridge.gcp.secret_manager import SecretUnusable
    from badge_bridge.rulesfile.examining import Examined

__all__ = [
    "Before",
    "Google",
    "configured",
    "examined",
    "hash_of_rules",
    "names_secrets",
    "rules_before",
    "without_secrets",
]

EARLIER = 5
"""Versions of the rules that are tried where the newest has mistakes."""


@dataclass(slots=True)
class Google:
    """How Google is reached; `transport` replaces the network, `tokens` what this process runs as."""

    tokens: TokenSource = field(default_factory=access_tokens)
    transport: AsyncBaseTransport | None = None


async def configured(
    settings: Settings, environ: Mapping[str, str], google: Google | None = None, *, decides: bool = True
) -> tuple[Settings, RulesFile]:
    """The rules, and the settings with the encryption keys themselves where they were references. `decides`: see
    `Draft.checked`.

    Raises:
        RulesError: something in the rules file is wrong, or a secret that it names cannot be had.
        SettingsError: so is an encryption key.
        GoogleError: Google cannot be asked now, or there are no credentials; the same may succeed later.
    """
    google = google or Google()
    draft = await _draft(settings, environ, google)
    keys = [key for key in settings.encryption_keys if key.startswith(PREFIX)]
    known = await _secrets({*draft.wanted(environ), *keys}, environ, google)
    if keys:
        settings = replace(settings, encryption_keys=_keys(settings.encryption_keys, known))
    return settings, draft.checked(providers=OPTIONS, environ=environ, known=known, decides=decides)


async def without_secrets(settings: Settings, environ: Mapping[str, str], google: Google | None = None) -> RulesFile:
    """The rules with placeholders for everything that comes from the environment or Secret Manager, but for where the
    portals are as far as the environment says so; as `configured`.
    """
    draft = await _draft(settings, environ, google or Google())
    return draft.checked(providers=OPTIONS, environ=None, addresses=environ)


async def examined(
    settings: Settings, environ: Mapping[str, str], google: Google | None = None, *, secrets: bool
) -> Examined:
    """What there is to say of the rules file, warnings too. With `secrets` those that it names must be there.

    Raises:
        GoogleError, SettingsError: as `configured`.
    """
    from badge_bridge.rulesfile.examining import Examined, examine  # noqa: PLC0415 - not for those who only serve

    google = google or Google()
    try:
        draft = await _draft(settings, environ, google)
    except RulesError as error:
        return Examined(None, error.findings)
    if not secrets:
        return examine(draft, providers=OPTIONS, environ=None, known={})
    known = await _secrets({*draft.wanted(environ)}, environ, google)
    return examine(draft, providers=OPTIONS, environ=environ, known=known)


async def names_secrets(settings: Settings, environ: Mapping[str, str], google: Google | None = None) -> bool:
    """Whether the rules refer to Secret Manager, themselves or through the environment; raises as `hash_of_rules`."""
    return bool((await _draft(settings, environ, google or Google())).wanted(environ))


async def hash_of_rules(settings: Settings, environ: Mapping[str, str], google: Google | None = None) -> str:
    """The `hash` that the rules file has now, whether it is any good or not.

    Raises:
        RulesError: it cannot be read.
        GoogleError: it cannot be read now.
    """
    return rules_hash(await _content(settings.rules, environ, google or Google()))


@dataclass(frozen=True, slots=True)
class Before:
    """Where the rules of before are, as a value of RULES, and the `hash` of the newest ones, which have mistakes; empty
    where there are none.
    """

    rules: str
    refused: str


async def rules_before(settings: Settings, environ: Mapping[str, str], google: Google | None = None) -> Before | None:
    """The newest version of the rules without mistakes, where the newest of all has some or was deleted.

    An object that is being replaced may be away for a moment. Only for objects of Cloud Storage, and of these the
    `EARLIER` ones before the newest. None where there is no such version, where none can be had now, or where the
    newest one is fine itself: what it lacks is outside of it, such as a secret that was taken away, and instances that
    have run since before that work by it and not by older rules.
    """
    if not settings.rules.startswith("gs://"):
        return None

    from badge_bridge.gcp import storage  # noqa: PLC0415 - for those who keep their rules there

    google = google or Google()
    refused = ""
    async with _api(storage.BASE, storage.EMULATOR, environ, google) as api:
        try:
            for version in (await storage.versions(settings.rules, api))[: EARLIER + 1]:
                content = await storage.read_object(version.uri, api)
                try:
                    Draft(content, version.uri).checked(providers=OPTIONS, environ=None)
                except RulesError:
                    refused = refused or rules_hash(content)
                else:
                    return None if version.is_live else Before(version.uri, refused)
        except (GoogleError, storage.ObjectUnusable):
            return None  # the caller knows already what is wrong with the newest
    return None


async def _draft(settings: Settings, environ: Mapping[str, str], google: Google) -> Draft:
    return Draft(await _content(settings.rules, environ, google), settings.rules)


async def _content(where: str, environ: Mapping[str, str], google: Google) -> bytes:
    if not where.startswith("gs://"):
        return read_file(where)

    from badge_bridge.gcp import storage  # noqa: PLC0415 - for those who keep their rules there

    async with _api(storage.BASE, storage.EMULATOR, environ, google) as api:
        try:
            return await storage.read_object(where, api)
        except storage.ObjectUnusable as error:
            raise RulesError([Finding(where, 0, 0, str(error), "unreadable")]) from error


_Known = Mapping[str, "tuple[str, ...] | SecretUnusable"]


async def _secrets(references: Collection[str], environ: Mapping[str, str], google: Google) -> _Known:
    if not references:
        return {}

    from badge_bridge.gcp import secret_manager  # noqa: PLC0415 - for those who keep secrets there

    project = environ.get("GOOGLE_CLOUD_PROJECT", "").strip()
    async with _api(secret_manager.BASE, secret_manager.EMULATOR, environ, google) as api:
        return await secret_manager.read_secrets(references, api, project=project)


@asynccontextmanager
async def _api(base: str, emulator: str, environ: Mapping[str, str], google: Google) -> AsyncIterator[GoogleApi]:
    from badge_bridge.gcp.addresses import api_at  # noqa: PLC0415 - see above

    keep_addresses_out_of_logs()
    api = api_at(base, emulator=emulator, environ=environ, tokens=google.tokens, transport=google.transport)
    try:
        yield api
    finally:
        await api.close()


def _keys(written: Collection[str], known: _Known) -> tuple[str, ...]:
    keys: list[str] = []
    for key in written:
        found = known.get(key, (key,))
        if isinstance(found, BridgeError):
            raise SettingsError(f"ENCRYPTION_KEY: {found}") from found
        keys += found
    return encryption_keys(",".join(keys))
