"""A portal and its authorisation server as far as an application's access goes, behind one HTTP transport.

Time stands still until somebody sleeps. Refresh tokens are used up by a renewal, as is assumed of Bitrix24.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx

from badge_bridge.errors import CallRefused
from badge_bridge.portal.oauth import (
    Application,
    Grant,
    Handlers,
    Installer,
    OAuthKeyring,
    install_beside,
    open_installer,
    open_keyring,
)
from badge_bridge.portal.oauth.opening import open_vault
from support.shared_store import SharedStore

KEY = "YSBrZXkgb2YgdGhlIHRlc3RzLCBvZiAzMiBieXRlcyE="
OTHER_KEY = "YW5vdGhlciB0ZXN0IGtleSwgMzIgYnl0ZXMgbG9uZyE="
CLIENT_ID = "local.5f1b0a2c3d4e5.12345678"
CLIENT_SECRET = "cl13nts3cr3tw0rd"
MEMBER_ID = "a223c6b9410f85df78e9377d6c4f7213"
APPLICATION_TOKEN = "51610fefc120afg4b628cc82d6298cce"
PORTAL = "acme.bitrix24.com"
AUTH = "oauth.bitrix24.tech"
HOOK = "https://bridge.example.com/hooks/portal"
HANDLERS = Handlers(calls=HOOK, life=install_beside(HOOK))
START = 1_767_225_600.0

Answer = httpx.Response | Exception


def application(**changes: Any) -> Application:
    told = {
        "portal": "main",
        "address": f"https://{PORTAL}",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        **changes,
    }
    return Application(**told)


@dataclass
class World:
    """`asked` has what was asked, `token` for the authorisation server and the method's name for the portal."""

    now: float = START
    store: SharedStore = field(default_factory=SharedStore)
    asked: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    access: set[str] = field(default_factory=set)
    refresh: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    slept: list[float] = field(default_factory=list)
    handlers: list[tuple[str, str]] = field(default_factory=list)
    unknown_events: set[str] = field(default_factory=set)
    sent_tests: list[Mapping[str, Any]] = field(default_factory=list)
    admin: object = True
    moved_to: str = ""
    """The host that the portal was renamed to; the old one redirects."""
    redirected: int = 0
    info: dict[str, Any] = field(default_factory=lambda: {"CODE": CLIENT_ID, "STATUS": "L", "INSTALLED": True})
    lose: int = 0
    """So many answers of the authorisation server get lost after it has done what was asked."""
    keeps_old_refresh_tokens: bool = False
    scripted: list[Answer] = field(default_factory=list)
    """Answers of the authorisation server that come before its own."""
    portal_scripted: list[Answer] = field(default_factory=list)
    on_token: Callable[[], Any] | None = None
    """Called (and awaited) after tokens were made and before the answer leaves."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def ids(self) -> str:
        return f"id{next(self._numbers)}"

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def issue(self) -> tuple[str, str]:
        """A new pair of tokens that are good."""
        number = next(self._numbers)
        pair = f"acc3ss-s3cr3t-{number}", f"r3fresh-s3cr3t-{number}"
        self.access.add(pair[0])
        self.refresh.add(pair[1])
        return pair

    def secrets(self) -> set[str]:
        """Everything that must never be shown."""
        return {f"s3cr3t-{number}" for number in range(1, 60)} | {CLIENT_SECRET, APPLICATION_TOKEN, KEY, OTHER_KEY}

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        if request.url.host == AUTH:
            assert request.method == "GET"
            assert request.url.path == "/oauth/token/"
            self.asked.append("token")
            return await self._token({name: values[0] for name, values in parse_qs(request.url.query.decode()).items()})
        home = self.moved_to or PORTAL
        assert request.url.host in {home, PORTAL}, f"{request.url.host} must not be asked"
        assert request.method == "POST"
        if request.url.host != home:
            self.redirected += 1
            return httpx.Response(302, headers={"Location": f"https://{home}{request.url.path}"})
        method = request.url.path.removeprefix("/rest/")
        self.asked.append(method)
        if self.portal_scripted:
            return _given(self.portal_scripted.pop(0))
        body = json.loads(request.content)
        if body.get("auth") not in self.access:
            return httpx.Response(401, json={"error": "expired_token", "error_description": f"no {body.get('auth')}"})
        result = {"app.info": self.info, "profile": {"ID": "7", "ADMIN": self.admin}}[method]
        return httpx.Response(200, json={"result": result, "time": {}})

    async def _token(self, query: Mapping[str, str]) -> httpx.Response:
        if self.scripted:
            return _given(self.scripted.pop(0))
        if (query["client_id"], query["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return httpx.Response(400, json={"error": "invalid_client", "error_description": query["client_secret"]})
        if query["grant_type"] == "refresh_token":
            good, spent = self.refresh, query["refresh_token"]
        else:
            good, spent = self.codes, query["code"]
        if spent not in good:
            return httpx.Response(400, json={"error": "invalid_grant", "error_description": f"{spent} is dead"})
        if not self.keeps_old_refresh_tokens:
            good.discard(spent)
        access, refresh = self.issue()
        if self.on_token is not None:
            await self.on_token()
        if self.lose:
            self.lose -= 1
            raise httpx.ReadTimeout("lost")
        return httpx.Response(
            200,
            json={
                "access_token": access,
                "refresh_token": refresh,
                "expires_in": 3600,
                "client_endpoint": "https://evil.example/rest/",
                "domain": AUTH,
                "member_id": MEMBER_ID,
                "scope": "crm,telephony",
                "server_endpoint": f"https://{AUTH}/rest/",
                "status": "L",
                **({"user_id": 7, "expires": 1} if query["grant_type"] == "refresh_token" else {}),
            },
        )

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """The portal client's `call`, for the methods about events."""
        await asyncio.sleep(0)
        self.asked.append(method)
        wanted = (str(params.get("event")), str(params.get("handler")))
        if method == "event.bind":
            if wanted[0] in self.unknown_events:
                raise _refused(method, "ERROR_EVENT_NOT_FOUND", f"{wanted[0]}: Event not found")
            if wanted in self.handlers:
                raise _refused(method, "", "Unable to set event handler")
            self.handlers.append(wanted)
            return True
        if method == "event.unbind":
            self.handlers.remove(wanted)
            return {"count": 1}
        if method == "event.test":
            self.sent_tests.append(params)
            return 1
        assert method == "event.get"
        return [{"event": event, "handler": url, "auth_type": "0", "offline": 0} for event, url in self.handlers]

    def keyring(self, app: Application | None = None, *, keys: tuple[str, ...] = (KEY,)) -> OAuthKeyring:
        """A keyring as another process would have it."""
        return open_keyring(
            app or application(),
            store=self.store,
            keys=keys,
            transport=self.transport,
            clock=self.clock,
            sleep=self.sleep,
            ids=self.ids,
        )

    def installer(
        self,
        keyring: OAuthKeyring | None = None,
        app: Application | None = None,
        *,
        keys: tuple[str, ...] = (KEY,),
        handlers: Handlers = HANDLERS,
        **parts: Any,
    ) -> Installer:
        return open_installer(
            app or application(),
            keyring or self.keyring(app, keys=keys),
            store=self.store,
            keys=keys,
            handlers=handlers,
            transport=self.transport,
            clock=self.clock,
            sleep=self.sleep,
            ids=self.ids,
            **{"call": self.call, "admitted": self.admitted, **parts},
        )

    async def admitted(self) -> None:
        """The portal has room for every request."""

    async def stored(self) -> Grant | None:
        return (await open_vault(application(), store=self.store, keys=(KEY, OTHER_KEY)).load()).grant

    async def install(self, **changes: Any) -> Grant:
        """Store a grant as an installation would have left it."""
        access, refresh = self.issue()
        vault = open_vault(application(), store=self.store, keys=(KEY,))
        version = (await vault.load()).version
        grant = Grant.model_validate(
            {
                "client_id": CLIENT_ID,
                "access_token": access,
                "refresh_token": refresh,
                "expires_at": self.now + 3600,
                "member_id": MEMBER_ID,
                "host": PORTAL,
                "application_token": APPLICATION_TOKEN,
                "installed_at": self.now,
                "renewed_at": self.now,
                "generation": version + 1,
                **changes,
            }
        )
        assert await vault.save(grant, version=version)
        return grant

    def form(self, event: str = "ONAPPINSTALL", **auth: str) -> dict[str, Any]:
        """What Bitrix24 posts, as its form reads; a field that is given empty is left out."""
        access, refresh = self.issue()
        told = {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": "3600",
            "scope": "crm telephony",
            "domain": PORTAL,
            "server_endpoint": "https://oauth.bitrix.info/rest/",
            "client_endpoint": "https://evil.example/rest/",
            "status": "L",
            "member_id": MEMBER_ID,
            "application_token": APPLICATION_TOKEN,
            **auth,
        }
        return {
            "event": event,
            "data": {"VERSION": "1", "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"},
            "ts": "1767225600",
            "auth": {name: value for name, value in told.items() if value},
        }


def _refused(method: str, code: str, message: str) -> CallRefused:
    return CallRefused(message, portal="main", method=method, code=code, status=400)


def _given(answer: Answer) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    return answer
