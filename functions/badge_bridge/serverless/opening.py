"""What a process opens with its first request, since the functions framework has no start-up hook.

Once a minute a request looks whether the rules file has changed. If so, all is opened anew beside what is there, which
those who work with it keep to the end; if the new rules are no good, what is there stays. A process that starts then
takes the version of before, where the rules are an object of Cloud Storage that keeps its versions.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from contextvars import Context, ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from badge_bridge.configuration import configured, hash_of_rules, rules_before, without_secrets
from badge_bridge.errors import BridgeError, RulesError, SettingsError
from badge_bridge.observability import logs
from badge_bridge.observability.start_line import log_cannot_start, log_rules_refused
from badge_bridge.rulesfile import RulesFile
from badge_bridge.settings import Settings

__all__ = ["Opening", "open_whole", "read_rules", "read_rules_alone"]

if TYPE_CHECKING:
    from badge_bridge.bridge import Bridge

logger = logging.getLogger("badge_bridge.start")

T = TypeVar("T")

LOOK = 60.0
"""Seconds between two looks at the rules file."""

RETRY = 300.0
"""Seconds after which rules that were no good are tried again: a secret of theirs may have been added since."""

PATIENCE = 1.0
"""Seconds that a request waits for such a look; then it is answered by what there is, and the look goes on."""

LONGEST = 180.0
"""Seconds for which what was opened before is still worked with: longer than any request lasts."""

_hash: ContextVar[str] = ContextVar("hash of the rules that were read", default="")


class Opening(Generic[T]):
    """Gives all requests of a process the same `T`, which the first one opens. `open_` puts on the stack what would
    close it. `monotonic` returns seconds from anywhere.
    """

    def __init__(
        self,
        open_: Callable[[AsyncExitStack, Settings], Awaitable[T]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = open_
        self._monotonic = monotonic
        self._hash = ""
        self._refused = ""
        """The hash of other rules that are no good, until `_refused_until`."""
        self._refused_until = 0.0
        self._look_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
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
            self._task = task = asyncio.create_task(self._first(), name="open the bridge", context=Context())
        await asyncio.shield(task)
        if self._hash and self._monotonic() >= self._look_at and self._looking is None:
            self._look_at = self._monotonic() + LOOK
            self._looking = asyncio.create_task(self._look(), name="look at the rules", context=Context())
            self._looking.add_done_callback(self._looked)
            await asyncio.wait({self._looking}, timeout=PATIENCE)
            task = self._task or task
        return task.result()

    def _looked(self, look: asyncio.Task[None]) -> None:
        self._looking = None
        if not look.cancelled() and (error := look.exception()):
            logger.error("looking at the rules failed unexpectedly", exc_info=error)

    async def _look(self) -> None:
        """Open all anew where the rules have changed."""
        try:
            settings = Settings.from_environ(os.environ)
            found = await hash_of_rules(settings, os.environ)
        except BridgeError as error:
            logger.warning("whether the rules have changed cannot be told now: %s", error)
            return
        try:
            if found == self._hash or (found == self._refused and self._monotonic() < self._refused_until):
                return
            self._refused, self._refused_until = found, self._monotonic() + RETRY
            before = self._stack
            task = asyncio.create_task(self._whole(settings), name="open the bridge with other rules")
            await task
        except (RulesError, SettingsError) as error:
            log_rules_refused("the rules have changed and cannot be used, those of before stay", error)
        except BridgeError as error:
            self._refused = ""
            logger.warning("the rules have changed and cannot be followed now: %s", error)
        else:
            logger.info("the rules have changed: %s instead of those of before", self._hash)
            self._task, self._refused = task, ""
            self._closing.add(closing := asyncio.create_task(_close_later(before), context=Context()))
            closing.add_done_callback(self._closing.discard)

    async def _first(self) -> T:
        """By the newest rules; where these have mistakes, by the newest ones that have none."""
        settings = Settings.from_environ(os.environ)
        try:
            return await self._whole(settings)
        except RulesError as error:
            before = await rules_before(settings, os.environ)
            if before is None:
                raise
            refused = error
        try:
            opened = await self._whole(replace(settings, rules=before.rules))
        except RulesError as error:
            raise refused from error  # whoever mends it mends the newest
        log_rules_refused(f"the rules cannot be used, those of {before.rules} are taken", refused)
        self._refused, self._refused_until = before.refused, self._monotonic() + RETRY
        return opened

    async def _whole(self, settings: Settings) -> T:
        # What is wrong with the rules file must be told in the right form, and its secrets are known only after it.
        _configure_logs(settings, secrets=frozenset(settings.encryption_keys))
        async with AsyncExitStack() as stack:
            opened = await self._open(stack, settings)
            self._stack = stack.pop_all()
        self._hash, self._look_at = _hash.get(), self._monotonic() + LOOK
        return opened


def _failed(task: asyncio.Task[T]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


async def read_rules(settings: Settings, *, decides: bool = True) -> tuple[Settings, RulesFile]:
    """As `configured`; from now on no log line holds one of the secrets."""
    settings, rules = await configured(settings, os.environ, decides=decides)
    _configure_logs(settings, secrets=rules.secrets | set(settings.encryption_keys))
    _hash.set(rules.hash)
    return settings, rules


async def read_rules_alone(settings: Settings) -> RulesFile:
    """As `configuration.without_secrets`, for a function that may read none."""
    rules = await without_secrets(settings, os.environ)
    _hash.set(rules.hash)
    return rules


async def open_whole(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    at_work: bool = False,
    wake: Callable[[Sequence[str]], Awaitable[None]] | None = None,
) -> Bridge:
    """Everything that the rules name, as `open_bridge`."""
    from badge_bridge.bridge import open_bridge  # noqa: PLC0415 - a third of the time to a first answer without
    from badge_bridge.store import opened_store  # noqa: PLC0415 - with it

    settings, rules = await read_rules(settings)
    store = await stack.enter_async_context(opened_store(settings.state))
    return await stack.enter_async_context(
        open_bridge(
            rules,
            store,
            concurrency=settings.concurrency,
            keys=settings.encryption_keys,
            at_work=at_work,
            wake=wake,
        )
    )


async def _close_later(stack: AsyncExitStack) -> None:
    await asyncio.sleep(LONGEST)
    await stack.aclose()


def _configure_logs(settings: Settings, *, secrets: frozenset[str]) -> None:
    logs.configure(
        settings.log_format or "gcp",
        settings.log_level,
        show_phone_numbers=settings.show_phone_numbers,
        secrets=secrets,
    )
