"""The sandbox's own controls under `/_sandbox/`: look at the portal, change it, make it misbehave.

    GET    /_sandbox/                       what there is: controls, credentials, methods, faults, variants
    GET    /_sandbox/state                  content, variants, faults; credentials too, for they are made up
    GET    /_sandbox/requests               the log; ?since=<number> and ?method=<name>
    POST   /_sandbox/seed                   replace parts of the content: {"deals": [...], "variants": {...}}
    GET    /_sandbox/faults                 which faults are still to strike, and how often each has struck
    POST   /_sandbox/faults                 order a fault; DELETE forgets all of them
    POST   /_sandbox/calls                  let a telephone call happen; GET /_sandbox/events shows what was sent
    POST   /_sandbox/install                install the application; /_sandbox/update, /_sandbox/uninstall
    POST   /_sandbox/reset                  back to the start

Mistakes are answered with 400, 404 or 405 and `{"error", "error_description"}` and change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from badge_bridge.sandbox.applications import NoSuchApplication
from badge_bridge.sandbox.errors import SandboxError
from badge_bridge.sandbox.faults import KINDS, TOKEN_REQUEST, FaultOrder
from badge_bridge.sandbox.guide import Control, describe
from badge_bridge.sandbox.holding import Holds
from badge_bridge.sandbox.loopback import LoopbackUrl
from badge_bridge.sandbox.methods import METHODS
from badge_bridge.sandbox.mixing import MixOrder
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import Seed
from badge_bridge.sandbox.sending import Sender
from badge_bridge.sandbox.telephony import CallOrder
from badge_bridge.sandbox.wire import read_json_object

__all__ = ["control_routes", "no_such_page"]

GUIDE = "/_sandbox/"

Handler = Callable[[Request], Awaitable[Response]]


class _Mistake(Exception):
    def __init__(self, description: str, **more: Any) -> None:
        self.body = {"error": "bad_request", "error_description": description, **more}
        super().__init__(description)


def control_routes(portal: SandboxPortal, holds: Holds, sender: Sender) -> list[Route]:
    controls = _Controls(portal, holds, sender)
    handlers: Mapping[str, Handler] = {
        GUIDE: controls.guide,
        "/_sandbox/state": controls.state,
        "/_sandbox/requests": controls.requests,
        "/_sandbox/seed": controls.seed,
        "/_sandbox/faults": controls.faults,
        "/_sandbox/calls": controls.calls,
        "/_sandbox/install": controls.install,
        "/_sandbox/update": controls.update,
        "/_sandbox/uninstall": controls.uninstall,
        "/_sandbox/events": controls.events,
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
    Control("POST", "/_sandbox/faults", 'order a fault: {"fault": "http-500", "times": 3}, or a mix, see below'),
    Control("DELETE", "/_sandbox/faults", "forget all faults"),
    Control("POST", "/_sandbox/calls", 'let a call happen: {"phone_number": "+4917139200011", "code": "304"}'),
    Control("POST", "/_sandbox/install", 'install the application: {"url": "http://127.0.0.1:8080/install"}'),
    Control("POST", "/_sandbox/update", "put its next version in place, with another application token"),
    Control("POST", "/_sandbox/uninstall", "remove it: its tokens die, its handlers are dropped"),
    Control("GET", "/_sandbox/events", "what the portal has sent to handlers and what became of it; ?since=<number>"),
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
        except NoSuchApplication as error:
            return JSONResponse(_Mistake(str(error)).body, 400)
        except SandboxError as error:
            return JSONResponse({"error": "sandbox", "error_description": str(error)}, 500)

    return answer


class _Controls:
    def __init__(self, portal: SandboxPortal, holds: Holds, sender: Sender) -> None:
        self._portal = portal
        self._holds = holds
        self._sender = sender

    async def guide(self, request: Request) -> Response:
        return _Indented(describe(self._portal, CONTROLS, str(request.base_url)))

    async def state(self, _request: Request) -> Response:
        return JSONResponse(self._state())

    async def requests(self, request: Request) -> Response:
        entries = self._portal.journal.since(_since(request), method=request.query_params.get("method", ""))
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
            body = await _json_object(request)
            if "mix" in body:
                self._portal.faults.mix(_mix(body))
            else:
                self._portal.faults.add(_order(body))
        return JSONResponse(self._portal.faults.to_json())

    async def calls(self, request: Request) -> Response:
        """A telephone call happens: its row is in the statistics, and whoever has asked for it is told."""
        row = self._portal.office.call(await _model(CallOrder, request, "call"))
        self._portal.office.hand_over(self._sender)
        return JSONResponse(row.model_dump(mode="json"))

    async def install(self, request: Request) -> Response:
        """The event is sent now; the answer says what the application has answered."""
        order = await _model(_LifeOrder, request, "installation")
        sent = await self._sender.deliver(
            self._portal.office.install(order.client_id, url=order.url, user_id=order.user_id)
        )
        self._portal.office.hand_over(self._sender)
        return JSONResponse(sent.to_json())

    async def update(self, request: Request) -> Response:
        order = await _model(_LifeOrder, request, "update")
        self._portal.office.update(order.client_id, url=order.url, user_id=order.user_id)
        self._portal.office.hand_over(self._sender)
        return JSONResponse(self._state())

    async def uninstall(self, request: Request) -> Response:
        order = await _model(_LifeOrder, request, "removal")
        self._portal.office.uninstall(order.client_id, url=order.url, clean=order.clean)
        self._portal.office.hand_over(self._sender)
        return JSONResponse(self._state())

    async def events(self, request: Request) -> Response:
        sent = self._sender.since(_since(request))
        return JSONResponse({"last": self._sender.last, "events": [one.to_json() for one in sent]})

    async def reset(self, _request: Request) -> Response:
        self._holds.forget()
        self._sender.forget()
        self._portal.reset()
        return JSONResponse(self._state())

    def _state(self) -> Mapping[str, Any]:
        return {
            **self._portal.seed.model_dump(mode="json"),
            "faults": self._portal.faults.to_json(),
            "requests": self._portal.journal.last,
            "variants_met": dict(self._portal.records.met),
        }


class _LifeOrder(BaseModel):
    """What the controls of an application's life take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = ""
    """May be left out where there is one application."""
    url: LoopbackUrl | None = None
    """Where the event goes. Default: the application's own, or its handlers."""
    user_id: Annotated[int, Field(ge=1)] = 1
    clean: bool = False


Model = TypeVar("Model", bound=BaseModel)


async def _model(model: type[Model], request: Request, what: str) -> Model:
    try:
        return model.model_validate(await _json_object(request))
    except ValidationError as error:
        raise _invalid(what, error) from error


def _since(request: Request) -> int:
    since = request.query_params.get("since", "0")
    if not since.isascii() or not since.isdecimal():
        raise _Mistake("since is the number of a request or event, such as 17")
    return int(since)


def _mix(body: dict[str, Any]) -> MixOrder:
    try:
        order = MixOrder.model_validate(body)
    except ValidationError as error:
        raise _invalid("mix", error, faults=sorted(KINDS)) from error
    unknown = sorted(order.mix.keys() - KINDS.keys())
    if unknown:
        raise _Mistake(f"there is no fault {unknown[0]!r}; see faults for those there are", faults=sorted(KINDS))
    return order


def _order(body: dict[str, Any]) -> FaultOrder:
    try:
        order = FaultOrder.model_validate(body)
    except ValidationError as error:
        raise _invalid("fault", error, faults=sorted(KINDS)) from error
    if order.fault not in KINDS:
        raise _Mistake(f"there is no fault {order.fault!r}; see faults for those there are", faults=sorted(KINDS))
    method = order.method.lower()
    if method not in ("*", TOKEN_REQUEST) and method not in METHODS:
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
