"""What the credential is good for: who it is, its scopes, the methods it may call, the rights of its user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from badge_bridge.errors import AccessRefused, NotFound, OutcomeUnknown, PortalError
from badge_bridge.portal.calling import SingleCalls
from badge_bridge.portal.codes import CODES
from badge_bridge.portal.doctor.check import Verdict, failed, ok, skipped, warning
from badge_bridge.portal.rows import misread

__all__ = ["Rights"]

_DELETE = "crm.activity.badge.delete"
_LIST = "crm.activity.badge.list"
_NEEDS_APPLICATION = CODES["error_wrong_context"].mend
_OF_CONTEXT = frozenset({"access_denied", "wrong_auth_type", "error_wrong_context"})
"""What a portal may answer to `app.info` without an application's token (Bitrix24 docs, "app.info")."""


class Rights:
    """Looks at one credential. `new_code` gives a badge code that no portal has."""

    def __init__(
        self,
        client: SingleCalls,
        *,
        methods: Sequence[str],
        telephony: bool,
        attaches: bool,
        application: bool,
        new_code: Callable[[], str],
    ) -> None:
        self._client = client
        self._methods = methods
        self._telephony = telephony
        self._attaches = attaches
        self._application = application
        self._new_code = new_code
        self._profile: Mapping[str, Any] = {}
        self._scopes: frozenset[str] = frozenset()

    async def credential(self) -> Verdict:
        profile = await self._client.call("profile")
        if not isinstance(profile, Mapping):
            raise self._unreadable("profile")
        self._profile = profile
        return ok(f"accepted: {'the token of an application' if self._application else 'an inbound webhook'}")

    async def user(self) -> Verdict:
        names = (self._profile.get("NAME"), self._profile.get("LAST_NAME"))
        name = " ".join(str(part) for part in names if part) or "a user without a name"
        rank = "a portal administrator" if self._is_administrator else "not a portal administrator"
        return ok(f"calls run as {name} (user {self._profile.get('ID', '?')}), {rank}")

    async def scopes(self) -> Verdict:
        granted = await self._client.call("scope")
        if not isinstance(granted, list):
            raise self._unreadable("scope")
        self._scopes = frozenset(str(scope).casefold() for scope in granted)
        told = ", ".join(sorted(self._scopes)) or "none"
        if "crm" not in self._scopes:
            return failed(f"crm is missing, granted: {told}", self._add_scope("crm"))
        if self._telephony and "telephony" not in self._scopes:
            return warning(
                f"telephony is missing, granted: {told}; a call that the portal could not report, and the customer of "
                "a call by the portal's own record, cannot be looked up",
                self._add_scope("telephony"),
            )
        return ok(told)

    async def methods(self) -> Verdict:
        """Whether each method that the rules lead to can be called; names count in lower case here."""
        asked = [name for name in self._methods if self._scopes.issuperset(_scopes_of(name))]
        answers = await asyncio.gather(*(self._client.call("method.get", {"name": name.lower()}) for name in asked))
        said = {name: answer for name, answer in zip(asked, answers, strict=True) if isinstance(answer, Mapping)}
        if len(said) < len(asked):
            raise self._unreadable("method.get")
        unknown = [name for name, answer in said.items() if not answer.get("isExisting")]
        if unknown:
            return failed(
                f"the portal does not know {', '.join(unknown)}",
                "An on-premise portal needs an update: its administrator makes it under Settings > Module updates. "
                "In the cloud the plan may lack the CRM.",
            )
        refused = [name for name, answer in said.items() if not answer.get("isAvailable")]
        if refused:
            return failed(
                f"the credential may not call {', '.join(refused)}",
                "Whoever made the webhook or application, or a portal administrator, looks at its permissions in "
                "Bitrix24 under Developer resources.",
            )
        return ok(f"all {len(asked)} that the rules lead to can be called")

    async def crm_administrator(self) -> Verdict:
        """Adding a badge takes this right, which no method tells; so a badge is deleted that does not exist."""
        if self._is_administrator:
            return ok("a portal administrator has it")
        try:
            await self._client.call(_DELETE, {"code": self._new_code()})
        except NotFound:
            return ok("badges may be added and deleted")
        except PortalError as error:
            refusal = _refusal(error)
            if refusal is None or refusal.code.casefold() != "access_denied":
                raise
            looked_up = "be looked up, but not" if await self._may_look_up() else "neither be looked up nor"
            return failed(f"missing: badges can {looked_up} added", refusal.mend)
        return warning(f"{_DELETE} of a badge that does not exist was answered with success, which tells nothing")

    async def _may_look_up(self) -> bool:
        """Whether the user has any right in the CRM at all."""
        try:
            await self._client.call(_LIST)
        except PortalError as error:
            if _refusal(error) is None:
                raise
            return False
        return True

    async def application(self) -> Verdict:
        if not self._application and not self._attaches:
            return skipped("an inbound webhook, which is enough since no rule attaches a badge to a card")
        try:
            info = await self._client.call("app.info")
        except PortalError as error:
            refusal = _refusal(error)
            if refusal is None or refusal.code.casefold() not in _OF_CONTEXT:
                raise
            return failed(
                "these are not calls of an application, so no badge can be attached to a card",
                _NEEDS_APPLICATION.format(portal=self._client.name),
            )
        if not isinstance(info, Mapping):
            raise self._unreadable("app.info")
        code = info.get("CODE") or "without a code"
        if str(info.get("INSTALLED")).casefold() in {"false", "n", "0"}:
            return failed(
                f"the application {code} is not installed completely",
                "A portal administrator opens the application in Bitrix24 under Developer resources > Integrations, "
                'edits it, ticks "uses only API" and saves: then it is installed at once.',
            )
        return ok(f"the application {code} is installed")

    @property
    def _is_administrator(self) -> bool:
        return self._profile.get("ADMIN") is True or str(self._profile.get("ADMIN")).casefold() in {"y", "1", "true"}

    def _add_scope(self, scope: str) -> str:
        return CODES["insufficient_scope"].mend.format(scope=scope, portal=self._client.name)

    def _unreadable(self, method: str) -> OutcomeUnknown:
        return misread(
            self._client.name, method, "was answered with something else than is documented", code="unreadable"
        )


def _refusal(error: PortalError) -> AccessRefused | None:
    """The refused access that an error is, or whose pause it tells of."""
    reason = error.__cause__ if isinstance(error.__cause__, AccessRefused) else error
    return reason if isinstance(reason, AccessRefused) else None


def _scopes_of(method: str) -> frozenset[str]:
    """The scope that a method needs, as far as a missing one is told of already."""
    return frozenset({"telephony"}) if method.startswith(("voximplant.", "telephony.")) else frozenset()
