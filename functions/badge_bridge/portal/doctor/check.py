"""What one look comes to, and looks in an order in which none is made that a failure has made pointless."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from badge_bridge.errors import (
    AccessRefused,
    BridgeError,
    LimitReached,
    OutcomeUnknown,
    PortalError,
    PortalPaused,
    PortalUnreachable,
)

__all__ = ["Check", "Status", "Step", "Verdict", "examine_in_order", "failed", "ok", "refused", "skipped", "warning"]

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `found` says what is so, `mend` what a person does about it, with the place."""

    name: str
    status: Status
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A check without its name."""

    status: Status
    found: str
    mend: str = ""

    def of(self, name: str) -> Check:
        return Check(name, self.status, self.found, self.mend)


@dataclass(frozen=True, slots=True)
class Step:
    """A look, and the names of those that must not have failed before it."""

    name: str
    look: Callable[[], Awaitable[Verdict]]
    after: tuple[str, ...] = ()


def ok(found: str) -> Verdict:
    return Verdict("ok", found)


def warning(found: str, mend: str = "") -> Verdict:
    return Verdict("warning", found, mend)


def failed(found: str, mend: str = "") -> Verdict:
    return Verdict("failed", found, mend)


def skipped(found: str) -> Verdict:
    return Verdict("skipped", found)


async def examine_in_order(steps: Sequence[Step]) -> list[Check]:
    """Every step's check. What stands on a failed one is skipped; what was skipped for its own sake stops nothing."""
    stopped_by: dict[str, str] = {}
    checks = []
    for step in steps:
        culprit = next((stopped_by[name] for name in step.after if name in stopped_by), "")
        verdict = skipped(f"not looked at, since {culprit} failed") if culprit else await _look(step)
        if culprit or verdict.status == "failed":
            stopped_by[step.name] = culprit or step.name
        checks.append(verdict.of(step.name))
    return checks


async def _look(step: Step) -> Verdict:
    try:
        return await step.look()
    except BridgeError as error:
        return refused(error)


def refused(error: BridgeError) -> Verdict:
    """A call that did not succeed is a failed check; the answer that paused a lane says more than the pause."""
    reason = error.__cause__ if isinstance(error, PortalPaused) and isinstance(error.__cause__, PortalError) else error
    mend = _mend(reason)
    found = str(reason).removesuffix(mend).rstrip()
    return failed(found.removeprefix(f"portal {reason.portal}: ") if isinstance(reason, PortalError) else found, mend)


def _mend(error: BaseException) -> str:
    match error:
        case AccessRefused():
            return error.mend
        case PortalUnreachable():
            return "See that this machine may connect to the portal's host; a firewall or proxy may be in the way."
        case LimitReached() if error.code.casefold() != "overload_limit":
            return (
                "Wait a minute. If it comes again, find out what else calls this portal from this machine's address: "
                "they share its limits."
            )
        case OutcomeUnknown() | PortalPaused():
            return "Try again in a few minutes. If it stays so, the portal fails: ask the Bitrix24 support."
        case _:
            return ""
