"""How a REST method of the portal is declared: its name, scope, right, whether it writes, and one function.

    crm = Methods(scope="crm")

    @crm.method("crm.activity.badge.get")
    def get(context: Context, params: Params) -> Reply:
        ...

The function returns the value of `result`, as a `Reply`, or raises `Refusal`. Everything before it (credentials, scope,
rights) and after it (the envelope, the state file, the log) is the portal's work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.seed import User

__all__ = ["Caller", "Context", "CredentialKind", "Method", "Methods", "Params", "Reply", "Right", "Served"]

CredentialKind = Literal["webhook", "oauth"]
Params = Mapping[str, Any]
Right = Literal["any", "crm", "crm-administrator"]
"""Who may call: any user, one with access to the CRM section, one with administrative access to it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call runs. `client_id` names the application; it is empty with a webhook."""

    kind: CredentialKind
    user: User
    scopes: frozenset[str]
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a method works with. `now` is unix seconds.

    `perform(key, method, params)` carries out a command of a batch for the same caller. `announce(event, data)` tells
    whoever has asked for an event of the portal; the sending begins when the call has been answered.
    """

    records: Records
    caller: Caller
    methods: Mapping[str, Method]
    now: float
    perform: Callable[[str, str, Params], Served]
    announce: Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a method answers. `total` and `next` stand beside `result` in the envelope where they are not None."""

    result: Any
    total: int | None = None
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A reply with the `time` that goes out beside it."""

    reply: Reply
    time: Mapping[str, Any]


Run = Callable[[Context, Params], Reply]


def _never(_records: Records) -> bool:
    return False


def _always(_records: Records) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Method:
    """A declared method. `scope` is empty for the base scope, which every credential has."""

    name: str
    scope: str
    right: Right
    writes: bool
    refuses_webhooks: Callable[[Records], bool]
    run: Run
    batchable: Callable[[Records], bool] = _always
    """Whether it may be a command of a `batch`, as the portal behaves at present."""
    metered: bool = True
    """Whether its run time counts as `operating`."""


class Methods:
    """The methods of one scope, gathered by decorator."""

    def __init__(self, scope: str, *, refuses_webhooks: Callable[[Records], bool] = _never) -> None:
        self._scope = scope
        self._refuses_webhooks = refuses_webhooks
        self.declared: dict[str, Method] = {}

    def method(
        self,
        name: str,
        *,
        right: Right = "any",
        writes: bool = False,
        batchable: Callable[[Records], bool] = _always,
        metered: bool = True,
    ) -> Callable[[Run], Run]:
        def declare(run: Run) -> Run:
            self.declared[name.lower()] = Method(
                name, self._scope, right, writes, self._refuses_webhooks, run, batchable, metered
            )
            return run

        return declare
