"""`receive`: takes deliveries, and tells Pub/Sub what is new.

With DISPATCH=pubsub nothing is worked on here, so nothing is opened that only working needs: a provider waits for the
first answer of a new process. With `local` it is all that `badge-bridge serve` is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from badge_bridge.accepting import Accepting
from badge_bridge.body_budget import BodyBudget
from badge_bridge.dispatch.pubsub import PubSubDispatcher, pubsub_dispatcher
from badge_bridge.rulesfile import RulesFile
from badge_bridge.server import Front, handle
from badge_bridge.serverless.opening import Opening, open_whole, read_rules
from badge_bridge.serverless.stopping import when_stopped
from badge_bridge.settings import Settings
from badge_bridge.sources import build_all
from badge_bridge.store import opened_store
from badge_bridge.store.protocol import Store

if TYPE_CHECKING:
    from badge_bridge.portal.oauth import ApplicationTokens, Installer

__all__ = ["answer"]


@dataclass(frozen=True, slots=True)
class _Receiver:
    """A `Front` that takes deliveries and no installations."""

    accepting: Accepting
    store: Store
    installers: Mapping[str, Installer] = field(default_factory=dict)
    bodies: BodyBudget = field(default_factory=BodyBudget)
    clock: Callable[[], float] = time.time


async def answer(request: Request) -> Response:
    return await _opening.answer(request, handle)


async def _open(stack: AsyncExitStack, settings: Settings) -> Front:
    dispatcher = pubsub_dispatcher(settings.dispatch)
    if dispatcher is None:
        bridge = await open_whole(stack, settings, at_work=True)
        when_stopped(stack, bridge.worker.stop)
        return bridge
    stack.push_async_callback(dispatcher.close)
    # A mistake in a condition is for those to tell who decide by it; deliveries are taken meanwhile.
    settings, rules = await read_rules(settings, decides=False)
    return await _open_receiver(stack, rules, settings, dispatcher)


async def _open_receiver(
    stack: AsyncExitStack, rules: RulesFile, settings: Settings, dispatcher: PubSubDispatcher
) -> Front:
    store = await stack.enter_async_context(opened_store(settings.state))
    sources = build_all(rules.sources)
    tokens = None
    if any(source.late_secrets for source in sources.values()):
        late = _LateTokens(rules, store, settings.encryption_keys)
        tokens = late.tokens
        if not settings.encryption_keys and any(portal.app for portal in rules.portals.values()):
            late.open()  # which says that a key is missing
    accepting = Accepting(
        rules=rules,
        sources=sources,
        store=store,
        wake=dispatcher.wake,
        clock=time.time,
        application_tokens=tokens,
    )
    return _Receiver(accepting, store)


class _LateTokens:
    """`ApplicationTokens`, opened when a delivery is first checked by them: what reads them takes its time to load, and
    the first answer to another source's delivery must not wait for that.
    """

    def __init__(self, rules: RulesFile, store: Store, keys: Sequence[str]) -> None:
        self._rules = rules
        self._store = store
        self._keys = keys
        self._opened: ApplicationTokens | None = None

    def open(self) -> ApplicationTokens:
        if self._opened is None:
            from badge_bridge.access import tokens_of  # noqa: PLC0415

            self._opened = tokens_of(self._rules, store=self._store, keys=self._keys, clock=time.time)
        return self._opened

    async def tokens(self, portal: str, *, again: bool = False) -> Sequence[str]:
        return await self.open().tokens(portal, again=again)


_opening = Opening(_open)
