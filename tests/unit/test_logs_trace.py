"""Which trace a line belongs to."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from google.cloud.logging_v2.handlers import _helpers

from badge_bridge.observability import logs
from badge_bridge.observability.trace import Trace, bind_request, current

TRACE = "105445aa7843bc8bf206b12000100000"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    logs.restore()


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("gcp", "INFO", stream=stream, project="acme")
    return stream


def _seen(headers: Mapping[str, str]) -> Trace | None:
    with bind_request(headers):
        return current()


@pytest.mark.parametrize("upgraded", [False, True])
def test_lines_carry_the_trace_of_their_request(stream: io.StringIO, *, upgraded: bool) -> None:
    """Inside a request lines name its trace and span, outside they name none."""
    if upgraded:
        logs.upgrade()
    log = logging.getLogger("badge_bridge.x")
    with bind_request([("host", "a"), ("traceparent", PARENT)]):
        log.info("in")
    log.info("out")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [_trace_of(line) for line in lines] == [
        (f"projects/acme/traces/{TRACE}", "00f067aa0ba902b7", True),
        ("", "", False),
    ]


def _trace_of(line: dict[str, Any]) -> tuple[str, str, bool]:
    prefix = "logging.googleapis.com/"
    return line[f"{prefix}trace"], line[f"{prefix}spanId"], line[f"{prefix}trace_sampled"]


@pytest.mark.parametrize(
    "value",
    [PARENT, f"00-{TRACE}-00f067aa0ba902b7-00", f"cc-{TRACE}-00f067aa0ba902b7-03-later-version", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"],
)  # fmt: skip
@pytest.mark.usefixtures("stream")
def test_traceparent_is_read_as_google_cloud_logging_reads_it(value: str) -> None:
    """The W3C header gives the trace, span and flag that the library would find, or none."""
    trace, span, sampled = _helpers._parse_trace_parent(value)  # type: ignore[no-untyped-call] # it has no types
    expected = Trace(f"projects/acme/traces/{trace}", span, sampled) if trace else None
    assert _seen({"traceparent": value}) == expected


@pytest.mark.parametrize(
    "value", [f"{TRACE}/1;o=1", f"{TRACE}/11803532876627986230;o=0", TRACE, f"{TRACE}/0;o=1", f"{TRACE};o=1"]
)
@pytest.mark.usefixtures("stream")
def test_cloud_trace_context_is_read_as_google_cloud_logging_reads_it(value: str) -> None:
    """Google's older header gives the trace, the span in hex and the flag that the library would find."""
    trace, span, sampled = _helpers._parse_xcloud_trace(value)  # type: ignore[no-untyped-call] # it has no types
    assert _seen({"x-cloud-trace-context": value}) == Trace(f"projects/acme/traces/{trace}", span or "", sampled)


@pytest.mark.usefixtures("stream")
def test_traceparent_is_preferred_when_both_headers_are_there() -> None:
    """Of two headers the standard one counts, and a broken one falls back to the other."""
    other = f"{'b' * 32}/1;o=1"
    assert _seen({"traceparent": PARENT, "x-cloud-trace-context": other}) == Trace(f"projects/acme/traces/{TRACE}", "00f067aa0ba902b7", True)  # fmt: skip
    assert _seen({"traceparent": "00-x", "x-cloud-trace-context": other}) == Trace(f"projects/acme/traces/{'b' * 32}", f"{1:016x}", True)  # fmt: skip


@pytest.mark.parametrize(
    "value", ['x", "severity": "CRITICAL', "", "abc/1;o=1", f"{TRACE}/1;o=1 x", f"{TRACE}/{'9' * 30}"]
)
@pytest.mark.usefixtures("stream")
def test_a_header_that_is_no_trace_binds_none(value: str) -> None:
    """Headers come from anyone; only 32 hexadecimal digits become a trace."""
    assert _seen({"x-cloud-trace-context": value, "traceparent": value}) is None


@pytest.mark.parametrize(("log_format", "project"), [("gcp", ""), ("json", "acme"), ("console", "acme")])
def test_nothing_is_bound_when_traces_are_off(log_format: logs.LogFormat, project: str) -> None:
    """Without a project, or in another form, headers are not even looked at."""
    logs.configure(log_format, "INFO", stream=io.StringIO(), project=project)

    class Unread(dict[str, str]):
        def keys(self) -> Any:
            raise AssertionError

    assert _seen(Unread()) is None


def test_the_project_is_taken_from_the_environment_when_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOOGLE_CLOUD_PROJECT names the project that traces are in."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-env")
    logs.configure("gcp", "INFO", stream=io.StringIO())
    bound = _seen({"traceparent": PARENT})
    assert bound is not None
    assert bound.name.startswith("projects/from-env/")


@pytest.mark.usefixtures("stream")
async def test_requests_side_by_side_keep_their_own_traces() -> None:
    """Two requests that take turns on one loop do not see each other's trace."""
    turn = asyncio.Barrier(2)

    async def request(trace: str) -> str:
        with bind_request({"x-cloud-trace-context": trace}):
            await turn.wait()
            bound = current()
            await turn.wait()
            assert bound is not None
            return bound.name

    assert list(await asyncio.gather(request("a" * 32), request("b" * 32))) == [
        f"projects/acme/traces/{'a' * 32}",
        f"projects/acme/traces/{'b' * 32}",
    ]
