"""Lines for Cloud Logging: ours before google-cloud-logging is loaded, its own afterwards, and the change-over."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud.logging_v2.handlers import StructuredLogHandler
from hypothesis import given, settings
from hypothesis import strategies as st

from badge_bridge.observability import logs
from badge_bridge.observability.gcp import GcpFormatter, structured_handler
from badge_bridge.observability.handler import CleaningHandler
from badge_bridge.observability.redaction import Redactor

LABELS = "logging.googleapis.com/labels"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    logs.restore()


def _record(message: str = "m", *args: object, exc_info: Any = None, **extra: object) -> logging.LogRecord:
    logger = logging.getLogger("badge_bridge.x")
    return logger.makeRecord(
        logger.name,
        logging.WARNING,
        "/app/x.py",
        7,
        message,
        args,
        exc_info,
        "work",
        extra,
        "Stack:\n  here" if extra.pop("stack", 0) else None,
    )


def _raised() -> Any:
    try:
        int("50 % of ü")
    except ValueError:
        return sys.exc_info()


def _ours(record: logging.LogRecord, *, upgraded: bool) -> dict[str, Any]:
    """The line that our handler writes for the record, before or after the upgrade."""
    stream = io.StringIO()
    logs.configure("gcp", "DEBUG", stream=stream, project="")
    if upgraded:
        logs.upgrade()
    logging.getLogger("badge_bridge").handle(record)
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


def _theirs(record: logging.LogRecord) -> dict[str, Any]:
    """The line that google-cloud-logging writes for the record by itself."""
    handler: Any = StructuredLogHandler(stream=io.StringIO())  # type: ignore[no-untyped-call] # it has no types
    handler.filter(record)
    line: dict[str, Any] = json.loads(handler.format(record))
    return line


@pytest.mark.parametrize(
    "record",
    [
        _record(),
        _record("100 %% of %s", "50 %s %d %(x)s"),
        _record('grüße 日本 🙂 "quoted" back\\slash'),
        _record("two\nlines\tand a tab"),
        _record(json_fields={"a": 1, "b": [1.5, None, True, {"c": "d e"}], "ü": "%s 5 %", "empty": {}}),
        _record(json_fields={"message": "another", "n": 1}),
        _record(json_fields={"severity": "DEBUG", "time": "x", "httpRequest": 1, LABELS: 2, "logging.googleapis.com/trace": 3, "n": 1}),
        _record(json_fields={}),
        _record("failed", exc_info=_raised()),
        _record("failed", exc_info=_raised(), json_fields={"n": 1}, stack=1),
        _record(labels={"a": "b", "python_logger": "mine"}),
        _record(http_request={"requestMethod": "POST", "requestUrl": "http://a.b/hooks/x", "status": 204}),
    ],
)  # fmt: skip
def test_gcp_lines_are_those_of_google_cloud_logging(record: logging.LogRecord) -> None:
    """For the same record our formatter, our handler after the upgrade, and the library alone write the same JSON."""
    before = _ours(record, upgraded=False)
    assert before == _ours(record, upgraded=True)
    assert before == _theirs(record)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(message=st.text(), fields=st.dictionaries(st.text(max_size=12) | st.just("severity"), JSON, max_size=4))
def test_gcp_lines_stay_the_same_across_the_upgrade(message: str, fields: dict[str, Any]) -> None:
    """Whatever a record carries, the line is one of valid JSON and the same before and after."""
    lines = []
    for writer in (logging.StreamHandler(before := io.StringIO()), structured_handler(after := io.StringIO())):
        if not isinstance(writer, StructuredLogHandler):
            writer.setFormatter(GcpFormatter())
        CleaningHandler(writer, Redactor()).handle(_record("%s", message, json_fields=fields))
    for stream in (before, after):
        text = stream.getvalue()
        text.encode()
        assert len(text.splitlines()) == 1
        lines.append(json.loads(text, parse_constant=pytest.fail))
    assert lines[0] == lines[1]
    assert lines[0]["severity"] == "WARNING"


@pytest.mark.parametrize("upgraded", [False, True])
@pytest.mark.parametrize("text", ['{"severity":"CRITICAL","kind":"event"}', "{'a': 1}", "{"])
def test_gcp_keeps_a_message_a_message_when_it_is_json(text: str, *, upgraded: bool) -> None:
    """A message that someone else chose cannot write fields of the line."""
    line = _ours(_record("%s", text), upgraded=upgraded)
    assert line["message"] == text
    assert line["severity"] == "WARNING"
    assert "kind" not in line


@pytest.mark.parametrize("upgraded", [False, True])
def test_gcp_urls_have_no_query(*, upgraded: bool) -> None:
    """The request that a record brings is written without the queries and fragments of its URLs."""
    request = {
        "requestUrl": "https://a.b/hooks/x?token=abc",
        "referer": "https://c.d/#access",
        "requestMethod": "POST",
        "userAgent": "x?y=1",
    }
    line = _ours(_record(http_request=request), upgraded=upgraded)
    assert line["httpRequest"] == {
        "requestUrl": "https://a.b/hooks/x",
        "referer": "https://c.d/",
        "requestMethod": "POST",
        "userAgent": "x?***",
    }


def test_gcp_takes_no_request_from_flask_after_the_upgrade() -> None:
    """The library would add the whole URL of a Flask request, query included; our lines stay as they were."""
    import flask  # noqa: PLC0415 - only this test needs it

    with flask.Flask("x").test_request_context(
        "/hooks/x?token=abcdef", headers={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
    ):
        assert _theirs(_record())["httpRequest"]["requestUrl"].endswith("?token=abcdef")
        line = _ours(_record(), upgraded=True)
    assert line["httpRequest"] == {}
    assert line["logging.googleapis.com/trace"] == ""


@pytest.mark.parametrize("upgraded", [False, True])
def test_gcp_ignores_a_trace_that_a_record_brings(*, upgraded: bool) -> None:
    """The library writes a record's own trace without escaping it, so it could end the line; ours is checked."""
    line = _ours(_record(trace='x", "severity": "CRITICAL', span_id='"', trace_sampled=True), upgraded=upgraded)
    assert line["logging.googleapis.com/trace"] == ""
    assert line["severity"] == "WARNING"


def test_upgrade_writes_no_diagnostic_line() -> None:
    """The first line after the upgrade is the one that was logged."""
    stream = io.StringIO()
    logs.configure("gcp", "INFO", stream=stream)
    logs.upgrade()
    logging.getLogger("badge_bridge.x").info("first")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["first"]


def test_upgrade_happens_once_and_survives_another_configure() -> None:
    """A second upgrade and a second configure with the same options leave the library's handler in place."""
    stream = io.StringIO()
    logs.configure("gcp", "INFO", stream=stream)
    logs.upgrade()
    handler = logging.getLogger("badge_bridge").handlers[0]
    assert isinstance(handler, CleaningHandler)
    writer = handler._writer
    assert isinstance(writer, StructuredLogHandler)
    logs.configure("gcp", "INFO", stream=stream)
    logs.upgrade()
    assert logging.getLogger("badge_bridge").handlers == [handler]
    assert handler._writer is writer


def test_upgrade_does_nothing_when_the_format_is_another() -> None:
    """Plain JSON stays plain JSON, and without configure there is nothing to do."""
    logs.upgrade()
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    logs.upgrade()
    logging.getLogger("badge_bridge.x").info("m")
    assert "severity" not in json.loads(stream.getvalue())


def test_upgrade_says_so_once_when_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without google-cloud-logging our formatter stays, and one warning says why."""
    monkeypatch.setitem(sys.modules, "google.cloud.logging_v2.handlers", None)
    stream = io.StringIO()
    logs.configure("gcp", "INFO", stream=stream)
    logs.upgrade()
    logs.upgrade()
    logging.getLogger("badge_bridge.x").info("still here")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["severity"] == "WARNING"
    assert first["message"].startswith("google-cloud-logging cannot be loaded")
    assert second["message"] == "still here"


def test_upgrade_loses_no_line_when_others_log_meanwhile() -> None:
    """Threads that log while the handler is exchanged, by several threads at once, find each of their lines once."""
    stream = io.StringIO()
    logs.configure("gcp", "INFO", stream=stream)
    log = logging.getLogger("badge_bridge.x")
    under_way, upgraded = threading.Barrier(6), threading.Event()
    counts = [0] * 4

    def chatter(who: int) -> None:
        under_way.wait(10)
        after = 0
        while after < 50:
            log.info("line", extra={"json_fields": {"who": who, "n": counts[who]}})
            counts[who] += 1
            after += upgraded.is_set()

    def upgrade() -> None:
        under_way.wait(10)
        logs.upgrade()
        upgraded.set()

    threads = [threading.Thread(target=chatter, args=(who,)) for who in range(4)]
    threads += [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    for who in range(4):
        assert [line["n"] for line in lines if line["who"] == who] == list(range(counts[who]))


def test_google_is_not_imported_before_the_upgrade() -> None:
    """A process that logs imports neither google-cloud-logging nor gRPC until it upgrades."""
    program = """
import logging, sys
from badge_bridge.observability import event_line, logs
for log_format in ("console", "json", "gcp"):
    logs.configure(log_format, "INFO")
    event_line.log_accept(source="s", result="refused", status=401, reason="no signature")
heavy = {"google.cloud.logging_v2", "grpc", "google.api_core", "opentelemetry", "flask"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
logs.upgrade()
assert "google.cloud.logging_v2" in sys.modules
event_line.log_accept(source="s", result="refused", status=400, reason="no body")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stderr.splitlines()[-1])["status"] == 400
    assert done.stdout == ""
