"""Which error pauses what, and for how long. Pure: an error and a few numbers go in, a decision comes out.

A lane is a whole portal (`main`) or one method of it (`main/crm.activity.badge.add`). What tells of the portal as a
whole (no connection, its rate limit, a dead credential) pauses the portal; what tells of one method only (a missing
right or scope, its run time used up) pauses that method, so that everything else goes on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from badge_bridge.errors import AccessRefused, LimitReached, OutcomeUnknown, PortalError, PortalUnreachable
from badge_bridge.portal.codes import CODES
from badge_bridge.portal.keyring import NoCredential

__all__ = ["JITTER", "UNKNOWN_IN_A_ROW", "Reach", "pause_length", "reach"]

Reach = Literal["portal", "method"]

UNKNOWN_IN_A_ROW = 3
"""So many calls without any answer between them mean that the portal fails, not the call."""

JITTER = 0.2
"""A pause is spread by up to this share either way."""

LONGEST_USAGE_PAUSE = 3600.0
"""Seconds; run time is counted over ten minutes, so a later reset than this is a clock that is wrong."""

_NOBODY_ENTERS = frozenset(
    {"expired_token", "invalid_credentials", "no_auth_found", "portal_deleted", "redirected", "user_access_error"}
    # Said by the authorisation server, or by us, of an application that has no access token at all.
    | {"invalid_client", "invalid_grant", "invalid_scope", "not_installed", "payment_required", "unauthorized_client"}
    | {"wrong_encryption_key"}
)
"""Refusals of the credential or the portal as such. All others are about a method: a right that badge.get needs not,
or a scope (a missing one for statistics must not stop badges). A plan without REST refuses each method in turn."""

_ABOUT_ONE_CARD = frozenset({f"crm.activity.configurable.{verb}" for verb in ("add", "update", "get")})
"""Anybody may call these, and what is looked at is the right to the card (Bitrix24 docs, "Configurable activities"):
one card that the application's user may not see must not stop the others."""

_NOT_ON_THIS_PLAN = 403
"""The status of an ACCESS_DENIED that means the plan and not a right (Bitrix24 docs, "System errors")."""


@dataclass(frozen=True, slots=True)
class _Growth:
    """Seconds of the first pause, doubled with each further failure up to the longest."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        return min(self.first * 2.0 ** min(failures, 30), self.longest)


_FAILING = _Growth(5, 300)
_ACCESS = _Growth(30, 600)
_RATE = _Growth(1, 60)
_OVERLOAD = _Growth(900, 4 * 3600)


def reach(error: PortalError, *, unknown_in_a_row: int, probing: Collection[Reach]) -> Reach | None:
    """What `error` pauses; None where it says nothing about later calls.

    `unknown_in_a_row` counts the calls without an answer up to this one; `probing` is what this call was to prove.
    """
    code = error.code.casefold()
    match error:
        case PortalUnreachable() | NoCredential():
            return "portal"
        case LimitReached():
            return "method" if code == "operation_time_limit" else "portal"
        case AccessRefused():
            return _reach_of_refusal(error, code)
        case OutcomeUnknown() if unknown_in_a_row >= UNKNOWN_IN_A_ROW or "portal" in probing:
            return "portal"
        case OutcomeUnknown() if probing:
            return "method"
        case _:
            return None


def _reach_of_refusal(error: AccessRefused, code: str) -> Reach | None:
    if code == "access_denied" and error.method in _ABOUT_ONE_CARD and error.status != _NOT_ON_THIS_PLAN:
        return None
    unknown_login = error.status == 401 and code not in CODES
    return "portal" if code in _NOBODY_ENTERS or unknown_login else "method"


def pause_length(
    error: PortalError, *, failures: int, now: float, operating_reset_at: float | None, random: float
) -> float:
    """Seconds that the lane rests after `error`.

    `failures` were counted on the lane before this one; `operating_reset_at` comes from the last successful answer of
    the method; `random` is in [0, 1).
    """
    code = error.code.casefold()
    if code == "operation_time_limit":
        return _until_usage_resets(now, operating_reset_at) + 10 * random
    if isinstance(error, AccessRefused):
        growth = _ACCESS
    elif isinstance(error, LimitReached):
        growth = _OVERLOAD if code == "overload_limit" else _RATE
    else:
        growth = _FAILING
    return growth.after(failures) * (1 + JITTER * (2 * random - 1))


def _until_usage_resets(now: float, reset_at: float | None) -> float:
    """Run time is kept in ten buckets of a minute, and the oldest leaves at the reset (Bitrix24 docs, "Limits")."""
    if reset_at is None:
        return 600.0
    if reset_at <= now:
        return 60.0  # the oldest bucket has left and it was not enough: wait for the next
    return min(reset_at - now, LONGEST_USAGE_PAUSE)
