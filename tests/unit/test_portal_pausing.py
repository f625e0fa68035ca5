"""Which error pauses what, and for how long."""

from __future__ import annotations

import pytest

from badge_bridge.errors import (
    AccessRefused,
    CallRefused,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    PortalError,
    PortalUnreachable,
)
from badge_bridge.portal.pausing import JITTER, Reach, pause_length, reach

NOW = 1_000_000.0


def refused(code: str, status: int = 403, method: str = "m") -> AccessRefused:
    return AccessRefused("no", portal="main", method=method, code=code, status=status, mend="ask")


def error(kind: type[PortalError], code: str = "", status: int = 0) -> PortalError:
    return kind("no", portal="main", method="m", code=code, status=status)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (error(PortalUnreachable, "no connection"), "portal"),
        (error(LimitReached, "QUERY_LIMIT_EXCEEDED", 503), "portal"),
        (error(LimitReached, "OVERLOAD_LIMIT", 503), "portal"),
        (error(LimitReached, "", 429), "portal"),
        (error(LimitReached, "OPERATION_TIME_LIMIT", 429), "method"),
        (refused("ACCESS_DENIED"), "method"),
        (refused("ACCESS_DENIED", 400), "method"),
        (refused("ACCESS_DENIED", 400, "crm.activity.configurable.add"), None),
        (refused("ACCESS_DENIED", 200, "crm.activity.configurable.update"), None),
        (refused("ACCESS_DENIED", 403, "crm.activity.configurable.add"), "method"),
        (refused("ERROR_WRONG_CONTEXT", 400, "crm.activity.configurable.add"), "method"),
        (refused("insufficient_scope"), "method"),
        (refused("METHOD_CONFIRM_WAITING", 401), "method"),
        (refused("METHOD_CONFIRM_DENIED"), "method"),
        (refused("WRONG_AUTH_TYPE", 400), "method"),
        (refused("ERROR_WRONG_CONTEXT", 400), "method"),
        (refused("SOMETHING_NEW", 403), "method"),
        (refused("SOMETHING_NEW", 401), "portal"),
        (refused("INVALID_CREDENTIALS"), "portal"),
        (refused("NO_AUTH_FOUND", 401), "portal"),
        (refused("expired_token", 401), "portal"),
        (refused("user_access_error"), "portal"),
        (refused("PORTAL_DELETED", 500), "portal"),
        (refused("redirected", 302), "portal"),
        (error(NotFound, "NOT_FOUND", 400), None),
        (error(CallRefused, "REQUIRED_ARG_MISSING", 400), None),
        (error(OutcomeUnknown, "timeout"), None),
    ],
    ids=lambda value: (
        f"{type(value).__name__}-{value.code}-{value.status}-{value.method}"
        if isinstance(value, PortalError)
        else str(value)
    ),
)
def test_an_error_pauses_what_it_tells_of_when_it_comes_alone(given: PortalError, expected: Reach | None) -> None:
    """The portal rests for what concerns all of it, the method for what concerns only that, nothing for the rest."""
    assert reach(given, unknown_in_a_row=1, probing=frozenset()) == expected


@pytest.mark.parametrize(("in_a_row", "expected"), [(1, None), (2, None), (3, "portal"), (9, "portal")])
def test_the_portal_is_paused_when_three_outcomes_in_a_row_are_unknown(in_a_row: int, expected: Reach | None) -> None:
    """One lost call is the call's trouble, three are the portal's."""
    assert reach(error(OutcomeUnknown), unknown_in_a_row=in_a_row, probing=frozenset()) == expected


@pytest.mark.parametrize(
    ("probing", "expected"),
    [({"portal"}, "portal"), ({"method"}, "method"), ({"portal", "method"}, "portal")],
)
def test_a_probe_lengthens_its_pause_when_its_outcome_is_unknown(probing: set[Reach], expected: Reach) -> None:
    """A probe that is lost has proven nothing."""
    assert reach(error(OutcomeUnknown), unknown_in_a_row=1, probing=probing) == expected


@pytest.mark.parametrize(
    ("given", "lengths"),
    [
        (error(PortalUnreachable), [5, 10, 20, 40, 80, 160, 300, 300]),
        (error(OutcomeUnknown), [5, 10, 20, 40, 80, 160, 300, 300]),
        (refused("ACCESS_DENIED"), [30, 60, 120, 240, 480, 600, 600]),
        (error(LimitReached, "QUERY_LIMIT_EXCEEDED"), [1, 2, 4, 8, 16, 32, 60, 60]),
        (error(LimitReached, "OVERLOAD_LIMIT"), [900, 1800, 3600, 7200, 14400, 14400]),
    ],
    ids=["unreachable", "unknown", "access", "rate", "overload"],
)
def test_a_pause_grows_to_its_longest_when_probes_go_on_failing(given: PortalError, lengths: list[float]) -> None:
    """Pauses double with each failure and stop growing, with 20 % of spread either way."""
    for failures, seconds in enumerate(lengths):
        for random, expected in ((0.5, seconds), (0.0, seconds * (1 - JITTER)), (1.0, seconds * (1 + JITTER))):
            length = pause_length(given, failures=failures, now=NOW, operating_reset_at=None, random=random)
            assert length == pytest.approx(expected)


def test_a_pause_stays_finite_when_failures_are_countless() -> None:
    """Growth does not overflow after months of failing probes."""
    length = pause_length(error(PortalUnreachable), failures=10**6, now=NOW, operating_reset_at=None, random=0.5)
    assert length == 300


@pytest.mark.parametrize(
    ("reset_at", "expected"),
    [(NOW + 240, 240), (None, 600), (NOW - 1, 60), (NOW + 10**9, 3600)],
    ids=["known", "unknown", "past", "absurd"],
)
def test_a_method_rests_until_its_run_time_resets_when_it_used_it_up(reset_at: float | None, expected: float) -> None:
    """The pause ends at the remembered reset and never before; without one it takes ten minutes."""
    given = error(LimitReached, "OPERATION_TIME_LIMIT", 429)
    for random in (0.0, 0.5, 0.999):
        length = pause_length(given, failures=3, now=NOW, operating_reset_at=reset_at, random=random)
        assert expected <= length <= expected + 10
