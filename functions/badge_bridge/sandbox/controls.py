"""The sandbox's own controls under `/_sandbox/`: look at the portal, change it, make it misbehave.

    GET    /_sandbox/                       what there is: controls, credentials, methods, faults, variants
    GET    /_sandbox/state                  content, variants, faults; credentials too, for they are made up
    GET    /_sandbox/requests               the log; ?since=<number> and ?method=<name>
    POST   /_sandbox/seed                   replace parts of the content: {"deals": [...], "variants": {...}}
    GET    /_sandbox/faults                 which faults are still to strike, and how often each has struck
    POST   /_sandbox/faults                 order a fault; DELETE forgets all of them
    POST   /_sandbox/reset                  back to the start

Mistakes are answered with 400, 404 or 405 and `{"error", "error_description"}` and change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from badge_bridge.sandbox.errors import SandboxError
from badge_bridge.sandbox.faults import KINDS, FaultOrder
from badge_bridge.sandbox.guide import Control, describe
from badge_bridge.sandbox.methods import METHODS
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import Seed
from badge_bridge.sandbox.wire import read_json_object

__all__ = ["control_routes", "no_such_page"]

GUIDE = "/_sandbox/"

Handler = Callable[[Request], Awaitable[Response]]


class _Mistake(Exception):
    def __init__(self, description: str, **more: Any) -> None:
        self.body = {"error": "bad_request", "error_description": description, **more}
        super().__init__(description)


def control_routes(portal: SandboxPortal) -> list[Route]:
    controls = _Controls(portal)
    handlers: Mapping[str, Handler] = {
        GUIDE: controls.guide,
        "/_sandbox/state": controls.state,
        "/_sandbox/requests": controls.requests,
        "/_sandbox/seed": controls.seed,
        "/_sandbox/faults": controls.faults,
        "/_sandbox/reset": controls.reset,
    }
    return [
        Route("/", lambda _request: RedirectResponse(GUIDE), methods=["GET"]),
        *(
            Route(path, _answering(handler), methods=[control.verb for control in CONTROLS if control.path == path])
            for path, handler in handlers.items()
        ),
    ]


CONTROLS = (
    Control("GET", GUIDE, "this page"),
    Control("GET", "/_sandbox/state", "everything that the portal holds, and the pending faults"),
    Control("GET", "/_sandbox/requests", "what it was asked and answered; ?since=<number> and ?method=<name>"),
    Control("POST", "/_sandbox/seed", 'replace parts of the content: {"deals": [...]}, or set variants, see below'),
    Control("GET", "/_sandbox/faults", "which faults are still to strike, and how often each has struck"),
    Control("POST", "/_sandbox/faults", 'order a fault: {"fault": "timeout-after-commit", "times": 3}, see below'),
    Control("DELETE", "/_sandbox/faults", "forget all faults"),
    Control("POST", "/_sandbox/reset", "back to the start: the first content, no faults, an empty log"),
)


async def no_such_page(request: Request, error: Exception) -> Response:
    """The answer to a path or a verb that the sandbox does not have."""
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}"
    body = {
        "error": "not_found" if error.status_code == 404 else "method_not_allowed",
        "error_description": f"the sandbox has no {what}; GET {GUIDE} lists what it has, methods are at /rest/",
    }
    return JSONResponse(body, error.status_code, headers=error.headers)


class _Indented(JSONResponse):
    """JSON that is read by people."""

    def render(self, content: Any) -> bytes:
        return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


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

    async def guide(self, request: Request) -> Response:
        return _Indented(describe(self._portal, CONTROLS, str(request.base_url)))

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
        elif request.method == "POST":
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
