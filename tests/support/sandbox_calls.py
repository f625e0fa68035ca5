"""Calls of a sandbox portal in this process: results, refusals, batches."""

from __future__ import annotations

from typing import Any

import httpx

from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN, Seed, default_seed

__all__ = ["Caller", "Refused", "changed"]


class Refused(Exception):
    """The portal said no. `code` is the text of its `error`."""

    def __init__(self, status: int, code: str, description: str) -> None:
        self.status, self.code, self.description = status, code, description
        super().__init__(status, code, description)


class Caller:
    """A client of one portal, with an OAuth token; `webhook` replaces it by the path of an inbound webhook."""

    def __init__(self, portal: SandboxPortal, *, token: str = ADMINISTRATOR_TOKEN, webhook: str = "") -> None:
        self.portal = portal
        self.token = token
        self._path = f"/rest/{webhook}".rstrip("/")
        self._webhook = bool(webhook)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(create_app(portal)), base_url="http://sandbox")

    async def envelope(self, method: str, **params: Any) -> dict[str, Any]:
        body = params if self._webhook else {**params, "auth": self.token}
        answer = await self.http.post(f"{self._path}/{method}", json=body)
        content: dict[str, Any] = answer.json()
        if "error" in content:
            raise Refused(answer.status_code, content["error"], content["error_description"])
        assert answer.status_code == 200
        return content

    async def call(self, method: str, **params: Any) -> Any:
        return (await self.envelope(method, **params))["result"]

    async def code(self, method: str, **params: Any) -> str:
        """The error code of a call that is refused."""
        try:
            await self.call(method, **params)
        except Refused as refused:
            return refused.code
        raise AssertionError(f"{method} was not refused")


def changed(**parts: Any) -> Seed:
    """The default seed with other parts; variants are set one by one."""
    seed = default_seed()
    content = seed.model_dump()
    variants = {**content["variants"], **parts.pop("variants", {})}
    return type(seed).model_validate({**content, **parts, "variants": variants})
