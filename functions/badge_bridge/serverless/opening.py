"""What a process opens with its first request, since the functions framework has no start-up hook."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import Context
from typing import Generic, TypeVar

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from badge_bridge.configuration import configured
from badge_bridge.errors import BridgeError
from badge_bridge.observability import logs
from badge_bridge.observability.start_line import log_cannot_start
from badge_bridge.rulesfile import RulesFile
from badge_bridge.settings import Settings

__all__ = ["Opening", "read_rules"]

T = TypeVar("T")


class Opening(Generic[T]):
    """Gives all requests of a process the same `T`, which the first one opens. `open_` puts on the stack what would
    close it.
    """

    def __init__(self, open_: Callable[[AsyncExitStack, Settings], Awaitable[T]]) -> None:
        self._open = open_
        # Nobody calls us when the process is stopped. Held, so that nothing is closed by being forgotten.
        self._stack = AsyncExitStack()
        self._task: asyncio.Task[T] | None = None

    async def answer(self, request: Request, handle: Callable[[Request, T], Awaitable[Response]]) -> Response:
        """What `handle` answers; 503 as long as there is nothing to answer with."""
        if self._task is not None:
            return await self._answer(request, handle)
        try:
            response = await self._answer(request, handle)
            if self._task is not None and not _failed(self._task):
                # It takes longer to import than everything else here together, so nobody waits for it.
                response.background = BackgroundTask(logs.upgrade)
            return response
        finally:
            # What is loaded by now stays, so it is never looked through for garbage again. main.py has it disabled.
            gc.freeze()
            gc.enable()

    async def _answer(self, request: Request, handle: Callable[[Request, T], Awaitable[Response]]) -> Response:
        try:
            opened = await self._get()
        except BridgeError as error:
            log_cannot_start(error)
            return JSONResponse({"error": "not ready"}, status_code=503, headers={"Retry-After": "30"})
        return await handle(request, opened)

    async def _get(self) -> T:
        """Callers that arrive while it is being opened share one opening; a failed one is tried again by the next."""
        task = self._task
        if task is None or _failed(task):
            # In a context of its own: what is opened outlives this request and must not log under its trace.
            self._task = task = asyncio.create_task(self._whole(), name="open the bridge", context=Context())
        return await asyncio.shield(task)

    async def _whole(self) -> T:
        settings = Settings.from_environ(os.environ)
        # What is wrong with the rules file must be told in the right form, and its secrets are known only after it.
        _configure_logs(settings, secrets=frozenset(settings.encryption_keys))
        async with AsyncExitStack() as stack:
            opened = await self._open(stack, settings)
            self._stack = stack.pop_all()
        return opened


def _failed(task: asyncio.Task[T]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


async def read_rules(settings: Settings, *, decides: bool = True) -> tuple[Settings, RulesFile]:
    """As `configured`; from now on no log line holds one of the secrets."""
    settings, rules = await configured(settings, os.environ, decides=decides)
    _configure_logs(settings, secrets=rules.secrets | set(settings.encryption_keys))
    return settings, rules


def _configure_logs(settings: Settings, *, secrets: frozenset[str]) -> None:
    logs.configure(
        settings.log_format or "gcp",
        settings.log_level,
        show_phone_numbers=settings.show_phone_numbers,
        secrets=secrets,
    )
