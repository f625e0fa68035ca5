"""The sandbox's own controls under `/_sandbox/`: look at the portal, change it, make it misbehave.

    GET    /_sandbox/state                  content, variants, faults; credentials too, for they are made up
    GET    /_sandbox/requests               the log; ?since=<number> and ?method=<name>
    POST   /_sandbox/seed                   replace parts of the content: {"deals": [...], "variants": {...}}
    POST   /_sandbox/faults                 order a fault; DELETE forgets all of them
    POST   /_sandbox/reset                  back to the start

Mistakes are answered with 400 and `{"error", "error_description"}` and change nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from badge_bridge.sandbox.errors import SandboxError
from badge_bridge.sandbox.faults import KINDS, FaultOrder
from badge_bridge.sandbox.methods import METHODS
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import Seed
from badge_bridge.sandbox.wire import read_json_object

__all__ = ["control_routes"]

Handler = Callable[[Request], Awaitable[Response]]


class _Mistake(Exception):
    def __init__(self, description: str, **more: Any) -> None:
        self.body = {"error": "bad_request", "error_description": description, **more}
        super().__init__(description)


def control_routes(portal: SandboxPortal) -> list[Route]:
    controls = _Controls(portal)
    return [
        Route("/_sandbox/state", _answering(controls.state), methods=["GET"]),
        Route("/_sandbox/requests", _answering(controls.requests), methods=["GET"]),
        Route("/_sandbox/seed", _answering(controls.seed), methods=["POST"]),
        Route("/_sandbox/faults", _answering(controls.faults), methods=["POST", "DELETE"]),
        Route("/_sandbox/reset", _answering(controls.reset), methods=["POST"]),
    ]


def _answering(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except _Mistake as mistake:
            return JSONResponse(mistake.body, 400)
        except SandboxError as error:
            return JSONResponse({"error": "sandbox", "error_description": str(error)}, 500)

    return answer


class _Controls:
    def __init__(self, portal: SandboxPortal) -> None:
        self._portal = portal

    async def state(self, _request: Request) -> Response:
        return JSONResponse(self._state())

    async def requests(self, request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not since.isascii() or not since.isdecimal():
            raise _Mistake("since is the number of a request, such as 17")
        entries = self._portal.journal.since(int(since), method=request.query_params.get("method", ""))
        return JSONResponse({"last": self._portal.journal.last, "requests": [entry.to_json() for entry in entries]})

    async def seed(self, request: Request) -> Response:
        """What is named is replaced as a whole; variants are set one by one."""
        changes = await _json_object(request)
        present = self._portal.seed.model_dump(mode="json")
        variants = changes.get("variants")
        if isinstance(variants, dict):
            changes = {**changes, "variants": {**present["variants"], **variants}}
        try:
            seed = Seed.model_validate({**present, **changes})
        except ValidationError as error:
            raise _invalid("seed", error) from error
        self._portal.reseed(seed)
        return JSONResponse(self._state())

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._portal.faults.clear()
        else:
            self._portal.faults.add(_order(await _json_object(request)))
        return JSONResponse(self._portal.faults.to_json())

    async def reset(self, _request: Request) -> Response:
        self._portal.reset()
        return JSONResponse(self._state())

    def _state(self) -> Mapping[str, Any]:
        return {
            **self._portal.seed.model_dump(mode="json"),
            "faults": self._portal.faults.to_json(),
            "requests": self._portal.journal.last,
        }


def _order(body: dict[str, Any]) -> FaultOrder:
    try:
        order = FaultOrder.model_validate(body)
    except ValidationError as error:
        raise _invalid("fault", error, faults=sorted(KINDS)) from error
    if order.fault not in KINDS:
        raise _Mistake(f"there is no fault {order.fault!r}; see faults for those there are", faults=sorted(KINDS))
    method = order.method.lower()
    if method != "*" and method not in METHODS:
        raise _Mistake(f"there is no method {order.method!r}; see methods, or use *", methods=sorted(METHODS))
    if KINDS[order.fault].only not in ("", method) and method != "*":
        raise _Mistake(f"{order.fault} is for {KINDS[order.fault].only} alone")
    return order


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        return read_json_object(await request.body())
    except ValueError as error:
        raise _Mistake(f"the body {error}") from error


def _invalid(what: str, error: ValidationError, **more: Any) -> _Mistake:
    findings = [
        {"at": ".".join(str(part) for part in finding["loc"]), "message": finding["msg"]}
        for finding in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return _Mistake(f"the {what} cannot be used", findings=findings, **more)
