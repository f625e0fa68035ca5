"""A portal that answers as a test says, behind the interface of the client, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.errors import AccessRefused, CallRefused, OutcomeUnknown, PortalError, PortalPaused
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.codes import CODES

__all__ = ["Listed", "ScriptedPortal", "lost", "paused", "refused"]

Params = dict[str, Any]
Answer = Callable[[Params], Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list."""

    result: Any
    next: int | None = None
    total: int | None = None


class ScriptedPortal:
    """Answers each method with what `answers` has for it.

    A list is used up one by one; a function is called with the parameters; an error, wherever it comes from, is raised;
    everything else is the result, or with `Listed` a page. While `gate` is set, nothing is answered before it is open.
    """

    name = "main"

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {method.replace("__", "."): answer for method, answer in answers.items()}
        self.sent: list[tuple[str, Params]] = []
        self.gate: asyncio.Event | None = None

    def methods(self) -> list[str]:
        return [method.split(".", 1)[1] for method, _ in self.sent]

    def params(self, method: str) -> list[Params]:
        return [params for asked, params in self.sent if asked == method]

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, asked: list[Exchange] | None = None
    ) -> Any:
        return (await self.call_page(method, params, asked=asked)).result

    async def call_page(
        self, method: str, params: Mapping[str, Any] | None = None, *, asked: list[Exchange] | None = None
    ) -> Listed:
        sayable(params or {})
        copy = json.loads(json.dumps(params or {}))
        self.sent.append((method, copy))
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers[method]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(copy)
        if asked is not None:
            said = answer.code if isinstance(answer, PortalError) else "ok"
            asked.append(Exchange(method=method, answer=said, milliseconds=1))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Listed) else Listed(answer)


def sayable(value: Any) -> None:
    """What is sent must mean the same in the query string of a batch: no flag, no null, nothing empty."""
    assert value is not None
    assert not isinstance(value, bool)
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        assert inner not in ({}, [], ()), value
        sayable(inner)


def refused(code: str, *, status: int = 400, method: str = "") -> PortalError:
    """The error that the client makes of a code; one that it does not know is a refusal for good."""
    meaning = CODES.get(code.casefold())
    kind = CallRefused if meaning is None else meaning.error
    if issubclass(kind, AccessRefused):
        return AccessRefused(f"refused: {code}", portal="main", method=method, code=code, status=status, mend="Ask.")
    return kind(f"answered with {code}", portal="main", method=method, code=code, status=status)


def paused(method: str, *, lane: str = "", because: PortalError | None = None) -> PortalPaused:
    """The error of a call whose lane, its method's where no other is named, is paused."""
    lane = lane or f"main/{method}"
    error = PortalPaused(f"{method} waits for lane {lane}", portal="main", method=method, lane=lane, until=2e6)
    error.__cause__ = because
    return error


def lost(method: str = "") -> OutcomeUnknown:
    return OutcomeUnknown("no answer in time", portal="main", method=method, code="timeout")
