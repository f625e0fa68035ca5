"""A portal's badge registry behind `client.call`, with errors on demand and everything else that an operator asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from badge_bridge.errors import AccessRefused, CallRefused, NotFound, OutcomeUnknown, PortalError

ADD = "crm.activity.badge.add"
GET = "crm.activity.badge.get"
LIST = "crm.activity.badge.list"
DELETE = "crm.activity.badge.delete"

Answer = Callable[[Mapping[str, Any]], Any]


def unknown(method: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"portal main: {method}: no answer", portal="main", method=method, code="timeout")


def refused(method: str, code: str = "BX_INVALID_VALUE") -> CallRefused:
    return CallRefused(f"portal main: {method} was answered with {code}", portal="main", method=method, code=code)


def denied(method: str, code: str = "ACCESS_DENIED", mend: str = "Ask the administrator.") -> AccessRefused:
    said = f"portal main: {method} was refused with {code}. {mend}"
    return AccessRefused(said, portal="main", method=method, code=code, status=403, mend=mend)


class BadgeRegistry:
    """`instead[method]` are answers for the next calls of a method: an error is raised, a value given, a function
    called with the parameters; what a function or value does not decide is None, and carried out as usual.

    `others` are the answers of methods that are not about badges.
    """

    name = "main"

    def __init__(self, *badges: Mapping[str, Any]) -> None:
        self.badges: dict[str, dict[str, Any]] = {badge["code"]: dict(badge) for badge in badges}
        self.instead: dict[str, list[PortalError | Answer]] = {}
        self.others: dict[str, Any] = {}
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        given = dict(params or {})
        self.sent.append((method, given))
        if self.instead.get(method):
            answer = self.instead[method].pop(0)
            if isinstance(answer, Exception):
                raise answer
            said = answer(given)
            if said is not None:
                return said
        return self.carry_out(method, given)

    def carry_out(self, method: str, params: dict[str, Any]) -> Any:
        code = params.get("code")
        if method == LIST:
            return {"badges": list(self.badges.values())}
        if method == ADD:
            if code in self.badges:
                raise refused(method)
            self.badges[params["code"]] = params
            return {"badge": params}
        if method in {GET, DELETE}:
            if code not in self.badges:
                raise NotFound(f"portal main: {method}: no such badge", portal="main", method=method, code="NOT_FOUND")
            return {"badge": self.badges[code]} if method == GET else bool(self.badges.pop(code))
        answer = self.others[method]
        if isinstance(answer, Exception):
            raise answer
        return answer(params) if callable(answer) else answer

    def but_lost(self, method: str) -> None:
        """Let the next call be carried out, and its answer get lost."""

        def answer(params: Mapping[str, Any]) -> Any:
            self.carry_out(method, dict(params))
            raise unknown(method)

        self.instead.setdefault(method, []).append(answer)

    def asked(self) -> list[str]:
        """What was asked, by the last part of the method."""
        return [method.rsplit(".", 1)[1] for method, _ in self.sent]
