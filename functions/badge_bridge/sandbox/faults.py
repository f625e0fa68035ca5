"""Faults: what a portal, or the way to it, does wrong on request.

    POST /_sandbox/faults {"method": "crm.activity.badge.add", "fault": "timeout-after-commit", "times": 3}

A fault is named after what the client sees, or is an error code of the portal (`QUERY_LIMIT_EXCEEDED`). Which fault
strikes is decided here; waiting, breaking connections and answering is done by the endpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from badge_bridge.sandbox.errors import ERRORS, system_status
from badge_bridge.sandbox.wire import Answer

__all__ = ["KINDS", "FaultOrder", "Faults", "Kind", "Strike"]

_LONGER_THAN_ANY_CLIENT_WAITS = 300.0
"""Seconds. The portal itself gives up after 60 (Bitrix24 docs, "Limits")."""
_SLOW = 2.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault does to a request, in this order: hold, race, carry out, hold, drop or answer.

    A held request ends when its client leaves; one that the fault lets through is still carried out then, as the real
    portal would.
    """

    name: str
    meaning: str
    """What the client sees, for those who look for a fault."""
    carries_out: bool
    """Whether the method runs."""
    hold: Literal["", "before", "after"] = ""
    seconds: float = 0.0
    """How long it holds where the order does not say."""
    drops: bool = False
    """Whether it ends with a broken connection and no HTTP answer."""
    only: str = ""
    """The one method it makes sense for."""


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "timeout-before",
            f"no answer for `seconds` ({_LONGER_THAN_ANY_CLIENT_WAITS:g}); the method does not run",
            carries_out=False,
            hold="before",
            seconds=_LONGER_THAN_ANY_CLIENT_WAITS,
        ),
        Kind(
            "timeout-after-commit",
            f"no answer for `seconds` ({_LONGER_THAN_ANY_CLIENT_WAITS:g}), though the method has run",
            carries_out=True,
            hold="after",
            seconds=_LONGER_THAN_ANY_CLIENT_WAITS,
        ),
        Kind("drop-before", "the connection breaks; the method does not run", carries_out=False, drops=True),
        Kind("drop-after-commit", "the connection breaks, though the method has run", carries_out=True, drops=True),
        Kind(
            "slow",
            f"the usual answer, `seconds` ({_SLOW:g}) late",
            carries_out=True,
            hold="before",
            seconds=_SLOW,
        ),
        Kind(
            "race-add",
            "somebody else registers the badge's code just before; only for crm.activity.badge.add",
            carries_out=True,
            only="crm.activity.badge.add",
        ),
        Kind("html", "an HTML page with `status` (200) instead of JSON", carries_out=False),
        Kind("error-on-200", "status 200 with the error `code` (INTERNAL_SERVER_ERROR) in it", carries_out=False),
        Kind("empty-error", "status 400 with an empty error code", carries_out=False),
        Kind("http-500", "status 500 with an empty body", carries_out=False),
        *(
            Kind(code, f"status {known.status} with this error code: {known.description}", carries_out=False)
            for code, known in ERRORS.items()
        ),
    )
}
"""Every fault by name. None of them but the timeouts, the drops, `slow` and `race-add` reaches the method."""


class FaultOrder(BaseModel):
    """What `POST /_sandbox/faults` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    method: str = "*"
    """The method that the fault strikes, or * for all."""
    fault: str
    """The fault's name."""
    times: Annotated[int, Field(ge=1)] = 1
    """How many requests it strikes."""
    after: Annotated[int, Field(ge=0)] = 0
    """How many requests of the method it lets through before."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """How long it holds an answer; for the timeouts and `slow`."""
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    """The HTTP status of `html` and of error codes: `ACCESS_DENIED` with 403 is the portal's "not on this plan"."""
    code: str | None = None
    """The error code of `error-on-200`."""


@dataclass(slots=True)
class _Pending:
    order: FaultOrder
    skip: int
    left: int

    def to_json(self) -> dict[str, Any]:
        return {**self.order.model_dump(exclude_none=True), "after": self.skip, "times": self.left}


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes one request."""

    kind: Kind
    order: FaultOrder

    @property
    def seconds(self) -> float:
        return self.kind.seconds if self.order.seconds is None else self.order.seconds

    def answer(self, *, all_401: bool) -> Answer:
        """What goes back where the method did not run. Only for faults that do not carry out and do not drop."""
        name = self.kind.name
        if name in ERRORS:
            known = ERRORS[name]
            return Answer.of_error(name, known.description, self.order.status or system_status(known, all_401=all_401))
        return _ANSWERS[name](self.order)


def _html(status: int, title: str) -> Answer:
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Answer(status, page.encode(), "text/html; charset=utf-8", error=f"an HTML page with status {status}")


def _error_on_200(order: FaultOrder) -> Answer:
    code = order.code or "INTERNAL_SERVER_ERROR"
    known = ERRORS.get(code)
    return Answer.of_error(code, known.description if known else code, 200)


_ANSWERS: Mapping[str, Callable[[FaultOrder], Answer]] = {
    # After a request that took too long, the web server in front of the portal answers for it.
    "timeout-before": lambda _: _html(504, "504 Gateway Time-out"),
    "html": lambda order: _html(order.status or 200, "Maintenance"),
    "error-on-200": _error_on_200,
    "empty-error": lambda _: Answer.of_error("", "Access denied.", 400),
    "http-500": lambda _: Answer(500, b"", "text/html; charset=utf-8", error="an empty answer with status 500"),
}


@dataclass(slots=True)
class Faults:
    """The faults that are still to strike, oldest first, and how often each kind has struck."""

    struck: Counter[str] = field(default_factory=Counter)
    _pending: list[_Pending] = field(default_factory=list)

    def add(self, order: FaultOrder) -> None:
        """Take an order whose fault is one of `KINDS`."""
        self._pending.append(_Pending(order, order.after, order.times))

    def strike(self, method: str) -> Strike | None:
        """The fault that strikes a request for this method, or None; counts it."""
        for pending in self._pending:
            kind = KINDS[pending.order.fault]
            if pending.order.method.lower() not in ("*", method) or kind.only not in ("", method):
                continue
            if pending.skip:
                pending.skip -= 1
                continue
            pending.left -= 1
            if not pending.left:
                self._pending.remove(pending)
            self.struck[kind.name] += 1
            return Strike(kind, pending.order)
        return None

    def clear(self) -> None:
        """Forget what is still to strike, and the counts."""
        self._pending.clear()
        self.struck.clear()

    def to_json(self) -> dict[str, Any]:
        return {"pending": [pending.to_json() for pending in self._pending], "struck": dict(self.struck)}
