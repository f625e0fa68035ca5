"""The lines that say why the bridge cannot start, or not with the newest rules."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from badge_bridge.errors import BridgeError, Finding, RulesError, SettingsError
from badge_bridge.observability import logs
from badge_bridge.observability.start_line import log_cannot_start, log_rules_refused

TWO = RulesError([Finding("rules.yaml", 9, 5, "no such badge"), Finding("rules.yaml", 2, 1, "no such key")])


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    logs.restore()


@pytest.mark.parametrize("log_format", ["json", "gcp", "gcp upgraded"])
def test_start_line_is_one_record_when_there_are_several_findings(log_format: str) -> None:
    """The message has the first finding and counts the others; the fields have all; the place is the caller's."""
    stream = io.StringIO()
    form, *upgraded = log_format.split()
    logs.configure(form, "INFO", stream=stream)  # type: ignore[arg-type] # one of the forms
    if upgraded:
        logs.upgrade()
    log_cannot_start(TWO)
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert line["message"] == "the bridge cannot start: rules.yaml:2:1: no such key (and 1 more)"
    assert line["kind"] == "start"
    assert line["findings"] == ["rules.yaml:2:1: no such key", "rules.yaml:9:5: no such badge"]
    assert line.get("level", line.get("severity")) == "CRITICAL"
    if form == "gcp":
        assert Path(line["logging.googleapis.com/sourceLocation"]["file"]).name == Path(__file__).name


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (SettingsError("CONCURRENCY is 'x';\nit must be a number"), "CONCURRENCY is 'x';\nit must be a number"),
        (RulesError([Finding("rules.yaml", 7, 1, "no such key")]), "rules.yaml:7:1: no such key"),
        (RulesError([]), "RulesError"),
        (BridgeError(), "BridgeError"),
    ],
)
def test_start_line_has_one_finding_when_there_is_one_error(error: BridgeError, finding: str) -> None:
    """An error of another kind is its own finding, also when its text has several lines or none."""
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    log_cannot_start(error)
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert line["message"] == f"the bridge cannot start: {finding}"
    assert line["findings"] == [finding]


def test_start_line_shows_a_person_every_finding_once() -> None:
    """In a terminal the other findings stand behind the message, in the same line."""
    stream = io.StringIO()
    logs.configure("console", "INFO", stream=stream)
    log_cannot_start(TWO)
    assert "no such key (and 1 more)   " in stream.getvalue()
    assert stream.getvalue().endswith('  findings=["rules.yaml:9:5: no such badge"]\n')
    assert stream.getvalue().count("no such key") == 1


def test_refused_rules_are_a_line_of_their_own_kind() -> None:
    """It is an error of somebody who is still served, with the same fields and the caller's place."""
    stream = io.StringIO()
    logs.configure("gcp", "INFO", stream=stream)
    log_rules_refused("those of before stay", TWO)
    line = json.loads(stream.getvalue())
    assert line["message"] == "those of before stay: rules.yaml:2:1: no such key (and 1 more)"
    assert (line["kind"], line["severity"], len(line["findings"])) == ("rules_refused", "ERROR", 2)
    assert Path(line["logging.googleapis.com/sourceLocation"]["file"]).name == Path(__file__).name
