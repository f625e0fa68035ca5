"""Faults: what a portal, or the way to it, does wrong on request.

    POST /_sandbox/faults {"method": "crm.activity.badge.add", "fault": "timeout-after-commit", "times": 3}

A fault is named after what the client sees, or is an error code of the portal (`QUERY_LIMIT_EXCEEDED`). An order for a
method strikes it inside a batch too: an error strikes that command alone, and what happens to a connection happens to
the whole request. Which fault strikes is decided here; waiting, breaking connections and answering is done by the
endpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from badge_bridge.sandbox.batch import MAX_COMMANDS, Command
from badge_bridge.sandbox.errors import ERRORS, Refusal, system_status
from badge_bridge.sandbox.mixing import Mix, MixOrder
from badge_bridge.sandbox.wire import Answer

__all__ = ["KINDS", "TOKEN_REQUEST", "FaultOrder", "Faults", "Kind", "Strike"]

TOKEN_REQUEST = "oauth/token"  # noqa: S105 - a name
"""Stands for a method in orders and in the log: a request to the authorisation server."""

_LONGER_THAN_ANY_CLIENT_WAITS = 300.0
"""Seconds. The portal itself gives up after 60 (Bitrix24 docs, "Limits")."""
_SLOW = 2.0
_LATE = 40.0
"""Seconds: less than the 60 after which the portal gives up on its own work."""
_PATIENCE_OF_A_GATEWAY = 20.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault does to a request, in this order: hold, race, carry out, hold, drop or answer.

    A held request ends when its client leaves; one that the fault lets through is still carried out then, as the real
    portal would. One that is `late` is carried out when all the rest is over.
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
    late: bool = False
    """Whether the portal is still at work when the request has ended, and carries it out `seconds` later."""
    only: str = ""
    """The one method it makes sense for."""
    expires: bool = False
    """Whether the access token that the call shows is expired from now on."""

    @property
    def for_one_command(self) -> bool:
        """Whether it can strike one command of a batch; what is done to a connection or a token strikes them all."""
        return not (self.hold or self.drops or self.expires or self.name in ("html", "http-500"))


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
            "commit-late",
            f"the connection breaks at once, and the method runs `seconds` ({_LATE:g}) later",
            carries_out=True,
            seconds=_LATE,
            drops=True,
            late=True,
        ),
        Kind(
            "http-504",
            f"after `seconds` ({_PATIENCE_OF_A_GATEWAY:g}) a gateway's HTML page with status 504, and the method runs "
            "as many seconds later",
            carries_out=True,
            hold="before",
            seconds=_PATIENCE_OF_A_GATEWAY,
            late=True,
        ),
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
            Kind(
                code,
                f"status {known.status} with this error code: {known.description}",
                carries_out=False,
                expires=code == "expired_token",
            )
            for code, known in ERRORS.items()
        ),
    )
}
"""Every fault by name. None of them but the timeouts, the drops, the late ones, `slow` and `race-add` reaches the
method.

After `expired_token` an access token that can expire has really expired; one without an end is refused this once.
"""


class FaultOrder(BaseModel):
    """What `POST /_sandbox/faults` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    method: str = "*"
    """The method that the fault strikes, oauth/token for the authorisation server, or * for all methods."""
    fault: str
    """The fault's name."""
    times: Annotated[int, Field(ge=1)] = 1
    """How many requests it strikes."""
    after: Annotated[int, Field(ge=0)] = 0
    """How many requests of the method it lets through before."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """How long it holds an answer, for the timeouts, `http-504` and `slow`; how much later the method runs, for
    `commit-late` and `http-504`."""
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
        """What goes back where the method did not run, or not yet. Only for faults that do not drop."""
        name = self.kind.name
        if name in ERRORS:
            known = ERRORS[name]
            return Answer.of_error(name, known.description, self.order.status or system_status(known, all_401=all_401))
        return _ANSWERS[name](self.order)

    def refusal(self) -> Refusal:
        """What the struck command of a batch is answered. Only for kinds that are `for_one_command`."""
        name = self.kind.name
        if name == "empty-error":
            return Refusal("", "Access denied.")
        return Refusal(self.order.code or "INTERNAL_SERVER_ERROR") if name == "error-on-200" else Refusal(name)


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
    "http-504": lambda _: _html(504, "504 Gateway Time-out"),
    "html": lambda order: _html(order.status or 200, "Maintenance"),
    "error-on-200": _error_on_200,
    "empty-error": lambda _: Answer.of_error("", "Access denied.", 400),
    "http-500": lambda _: Answer(500, b"", "text/html; charset=utf-8", error="an empty answer with status 500"),
}


@dataclass(slots=True)
class Faults:
    """The faults that are still to strike, oldest first, the mix, and how often each kind has struck."""

    struck: Counter[str] = field(default_factory=Counter)
    _pending: list[_Pending] = field(default_factory=list)
    _mix: Mix | None = None

    def add(self, order: FaultOrder) -> None:
        """Take an order whose fault is one of `KINDS`."""
        self._pending.append(_Pending(order, order.after, order.times))

    def mix(self, order: MixOrder) -> None:
        """From now on strike by chance; all names are those of `KINDS`. An empty mix ends it."""
        self._mix = Mix(order) if order.mix else None

    def strike(self, method: str, *, can_expire: bool = False) -> Strike | None:
        """The fault that strikes a request for this method, or None; counts it.

        `can_expire` says whether the request shows a token that can expire: chance expires no other.
        """
        return self._ordered(method, _strikes_any) or self._mixed(method, can_expire=can_expire)

    def strike_commands(self, commands: Sequence[Command]) -> tuple[Strike | None, dict[str, Strike]]:
        """What orders for their methods do to a batch: to the request as a whole, and to single commands by key."""
        whole: Strike | None = None
        single: dict[str, Strike] = {}
        for command in commands[:MAX_COMMANDS]:
            strike = self._ordered(command.method, _strikes_any if whole is None else _strikes_one, by_name=True)
            if strike is None:
                continue
            if strike.kind.for_one_command:
                single[command.key] = strike
            else:
                whole = strike
        return whole, single

    def clear(self) -> None:
        """Forget what is still to strike, the mix, and the counts."""
        self._pending.clear()
        self._mix = None
        self.struck.clear()

    def to_json(self) -> dict[str, Any]:
        mixed = {"mix": self._mix.to_json()} if self._mix else {}
        return {"pending": [pending.to_json() for pending in self._pending], "struck": dict(self.struck), **mixed}

    def _ordered(self, method: str, fits: Callable[[Kind], bool], *, by_name: bool = False) -> Strike | None:
        for pending in self._pending:
            kind = KINDS[pending.order.fault]
            if not _meant(pending.order, method, by_name=by_name) or kind.only not in ("", method) or not fits(kind):
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

    def _mixed(self, method: str, *, can_expire: bool) -> Strike | None:
        if self._mix is None or method == TOKEN_REQUEST:
            return None
        name = self._mix.draw()
        if name is None or KINDS[name].only not in ("", method) or (KINDS[name].expires and not can_expire):
            return None
        self.struck[name] += 1
        return Strike(KINDS[name], FaultOrder(fault=name, seconds=self._mix.order.seconds))


def _meant(order: FaultOrder, method: str, *, by_name: bool) -> bool:
    """Whether an order is for this method; * is for whole requests for methods, not for commands in them."""
    if order.method == "*":
        return not by_name and method != TOKEN_REQUEST
    return order.method.lower() == method


def _strikes_any(_kind: Kind) -> bool:
    return True


def _strikes_one(kind: Kind) -> bool:
    return kind.for_one_command
