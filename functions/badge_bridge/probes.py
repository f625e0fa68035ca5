"""Whether the process is well, for whoever restarts it or sends it requests.

`GET /livez`                    it turns: the event loop answers, and the worker has lately looked for work or
                                ended some. The store is not asked, since a restart mends no disk.
`GET /readyz`                   it can do its work: the rules are loaded, the store can be read and written, as it
                                was seen or tried lately, and it is not stopping. A paused portal takes nothing from
                                that: deliveries are stored and wait.
`GET /healthz`, `GET /health`   what `/readyz` says.

All answer 200, or 503 where it is not so. To the world they say no more than that (`probe`), and to operators why
(`Probes`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from badge_bridge.errors import StoreUnavailable
from badge_bridge.observability.floods import FloodGate
from badge_bridge.reading import refused_unless_read
from badge_bridge.store.protocol import Store

__all__ = ["HEALTH", "LIVE", "PROBES", "READY", "STALLED", "Probed", "Probes", "health", "lives", "probe"]

logger = logging.getLogger("badge_bridge.server")

HEALTH = frozenset({"/healthz", "/health"})
"""Cloud Run's front end answers the first one itself, with 404 (Cloud Run docs, "Known issues", reserved URL paths)."""

LIVE, READY = "/livez", "/readyz"

PROBES = frozenset({LIVE, READY, *HEALTH})

STALLED = 60.0
"""Seconds after which a worker that has neither looked for work nor ended any is taken for dead. It looks once a
second, and waits for a locked file for two."""

_OK = "ok"

_gate = FloodGate(limit=1, seconds=60.0)


class Turning(Protocol):
    """What is asked of the worker."""

    @property
    def silence(self) -> float: ...


class Probed(Protocol):
    """What these pages need of a bridge."""

    @property
    def store(self) -> Store: ...
    @property
    def worker(self) -> Turning: ...


async def probe(request: Request, bridge: Probed) -> Response:
    """Answer a request to one of `PROBES` with whether it is well, and nothing else."""
    if (refusal := refused_unless_read(request)) is not None:
        return refusal
    path = request.scope["path"]
    return _said(_life(bridge.worker) if path == LIVE else await _readiness(bridge.store), path, bare=True)


async def health(request: Request, store: Store) -> Response:
    """The same for a function, which has no worker: whether the store can be used."""
    if (refusal := refused_unless_read(request)) is not None:
        return refusal
    return _said(await _readiness(store), request.scope["path"], bare=True)


class Probes:
    """Answers the pages with the reasons. `lanes` gives those that may be paused, and `notes` what else is worth
    telling and takes nothing from how it is; a process that stops says so before it does, in `stopping`.
    """

    def __init__(
        self,
        bridge: Probed,
        *,
        lanes: Callable[[], Sequence[str]] = tuple,
        notes: Callable[[], Sequence[str]] = tuple,
        gate: FloodGate = _gate,
    ) -> None:
        self._bridge = bridge
        self._lanes = lanes
        self._notes = notes
        self._gate = gate
        self.stopping = False

    async def answer(self, request: Request, *, bare: bool = False) -> Response:
        """Answer a request to one of `PROBES`: with each check that it made, and with the lanes that are paused; with
        the status alone where `bare`.
        """
        if (refusal := refused_unless_read(request)) is not None:
            return refusal
        path = request.scope["path"]
        if path == LIVE:
            return _said(_life(self._bridge.worker), path, bare=bare, gate=self._gate)
        checks = await _readiness(self._bridge.store)
        checks["running"] = "the process is stopping" if self.stopping else _OK
        paused = await self._paused() if checks["store"] == _OK and not bare else []
        also = {"paused": paused, "notes": list(self._notes())}
        return _said(checks, path, also=also, bare=bare, gate=self._gate)

    async def _paused(self) -> list[dict[str, str]]:
        try:
            pauses = await self._bridge.store.paused(self._lanes())
        except StoreUnavailable:
            return []  # it was well a moment ago, and the next request tells
        return [{"lane": one.lane, "until": _moment(one.until)} for one in pauses]


def lives(worker: Turning) -> bool:
    """Whether the worker turns; that the event loop does is shown by who asks."""
    return worker.silence <= STALLED


def _life(worker: Turning) -> dict[str, str]:
    silence = worker.silence
    return {"worker": _OK if lives(worker) else f"it has neither looked for work nor ended any for {silence:.0f} s"}


async def _readiness(store: Store) -> dict[str, str]:
    checks = {"rules": _OK, "store": _OK}  # a bridge without rules does not start
    try:
        await store.ping()
    except StoreUnavailable as error:
        checks["store"] = str(error)
    return checks


def _said(
    checks: Mapping[str, str],
    path: str,
    *,
    also: Mapping[str, Any] | None = None,
    bare: bool = False,
    gate: FloodGate = _gate,
) -> Response:
    troubles = {name: said for name, said in checks.items() if said != _OK}
    for over in gate.over():
        logger.warning("%d more answers 503 of %s within %g s", over.lines, over.kind, over.seconds)
    if troubles and gate.passes(f"{path} ({', '.join(troubles)})"):
        logger.warning("%s answers 503: %s", path, "; ".join(f"{name}: {said}" for name, said in troubles.items()))
    content: dict[str, Any] = {"status": "unavailable" if troubles else _OK}
    if not bare:
        content |= {"checks": checks, **(also or {})}
    return JSONResponse(content, status_code=503 if troubles else 200)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
