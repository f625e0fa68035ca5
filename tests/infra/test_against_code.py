"""What `infra/` says of the code agrees with the code: entry points, fields of log lines, indexes of the store."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.errors import RulesError, StoreUnavailable
from badge_bridge.observability.event_line import log_accept, log_event
from badge_bridge.observability.floods import FloodGate
from badge_bridge.observability.gcp import GcpFormatter
from badge_bridge.observability.start_line import log_cannot_start, log_rules_refused
from badge_bridge.observability.sweep_line import log_sweep
from badge_bridge.outcomes import Outcome
from badge_bridge.serverless.sweep import LATE
from badge_bridge.store.firestore import documents
from badge_bridge.store.protocol import Store
from badge_bridge.store.records import write_outcomes
from badge_bridge.store.rows import AttemptRow, Row
from support.firestore_queries import Index, indexes_needed
from support.infra_alerts import resolved
from support.stores import NOW, STORES
from support.terraform import INFRA, Terraform, read

MAIN = Path(documents.__file__).parents[3] / "main.py"


@pytest.fixture(scope="module")
def root() -> Terraform:
    return read()


def test_each_entry_point_is_a_function_and_back() -> None:
    """What main.py offers is deployed, and nothing else is."""
    offered = {node.name for node in ast.parse(MAIN.read_text()).body if isinstance(node, ast.AsyncFunctionDef)}

    assert set(read(INFRA / "plan").locals["defaults"]) == offered


def _event(**fields: Any) -> None:
    always: dict[str, Any] = {"key": "s:1", "source": "s", "provider": "twilio", "type": "call.missed", "attempt": 1}
    log_event(**{**always, "failures": 0, "waited": 0.0, "took": 0.1, **fields})


@pytest.mark.parametrize(
    ("write", "counted"),
    [
        (lambda gate: log_accept(source="s", result="refused", status=401, gate=gate), {"refused"}),
        (lambda gate: log_accept(source="s", result="refused", status=422, gate=gate), set()),
        (lambda gate: log_accept(source="s", result="duplicate", status=200, gate=gate), set()),
        (lambda gate: _event(state="dead", reason="no right"), {"dead", "ended"}),
        (lambda gate: _event(state="waiting", lane="main", due=5.0), {"paused"}),
        (lambda gate: _event(state="waiting", failed=True, due=5.0), set()),
        (lambda gate: _event(state="done"), {"ended"}),
        (lambda gate: _event(state="ignored", reason="no rule"), {"ended"}),
    ],
    ids=["refused", "unreadable", "duplicate", "dead", "paused", "tried-again", "done", "ignored"],
)
def test_metrics_count_the_lines_that_they_are_about(
    root: Terraform, caplog: pytest.LogCaptureFixture, write: Any, counted: set[str]
) -> None:
    """A line that the code writes is counted by the metrics for it and by no other, and has the labels they take."""
    caplog.set_level(logging.INFO, logger="badge_bridge")
    write(FloodGate())
    fields = _line(caplog)
    metrics = root.locals["counted"]

    assert {name for name, metric in metrics.items() if _matches(metric["filter"], fields)} == counted
    for name in counted:
        assert _labels(metrics[name]["labels"]) <= fields.keys()


@pytest.mark.parametrize(
    ("write", "alerted"),
    [
        (lambda: _event(state="dead", reason="no right"), {"dead_events"}),
        (lambda: _event(state="waiting", lane="main", reason="no answer", due=5.0, waited=901.0), {"paused"}),
        (lambda: _event(state="waiting", lane="main", reason="no answer", due=5.0, waited=3.0), set()),
        (lambda: _event(state="waiting", failed=True, reason="no answer", due=5.0), set()),
        (lambda: _event(state="done"), set()),
        (lambda: log_cannot_start(RulesError([])), {"cannot_start"}),
        (lambda: log_cannot_start(StoreUnavailable("it is away")), {"cannot_start"}),
        (lambda: log_rules_refused("those of before stay", RulesError([])), {"rules_refused"}),
        (lambda: log_sweep(attempts=900, nothing_left=False, overdue=LATE), {"sweep_behind"}),
        (lambda: log_sweep(attempts=900, nothing_left=False, overdue=LATE - 1), set()),
        (lambda: log_sweep(attempts=900, nothing_left=False), set()),
    ],
    ids=[
        "dead",
        "paused-for-long",
        "paused-a-moment",
        "tried-again",
        "done",
        "no-rules",
        "no-store",
        "rules-refused",
        "overdue",
        "nearly-overdue",
        "swept",
    ],
)
def test_alerts_find_the_lines_that_they_are_about(
    root: Terraform, caplog: pytest.LogCaptureFixture, write: Any, alerted: set[str]
) -> None:
    """An alert that looks into the log finds the line that the code writes, and the labels of its text are in it."""
    caplog.set_level(logging.INFO, logger="badge_bridge")
    write()
    line = _line(caplog)
    alerts = {
        address.partition(".")[2]: condition["condition_matched_log"][0]
        for address, body in root.resources("google_monitoring_alert_policy").items()
        for condition in body["conditions"]
        # The others look into logs of the platform.
        if "${local.our_lines}" in condition.get("condition_matched_log", [{}])[0].get("filter", "")
    }

    assert {name for name, alert in alerts.items() if _matches(resolved(root.locals, alert["filter"]), line)} == alerted
    for name in alerted:
        assert _labels(alerts[name]["label_extractors"]) <= line.keys()


def _line(caplog: pytest.LogCaptureFixture) -> Mapping[str, Any]:
    """The one line that was written, as Cloud Logging reads it."""
    (record,) = caplog.records
    line: Mapping[str, Any] = json.loads(GcpFormatter().format(record))
    return line


def _labels(extractors: Mapping[str, str]) -> set[str]:
    """The fields that labels are taken from; what Cloud Run adds to a line is there always."""
    names = {name for one in extractors.values() for name in re.findall(r"^EXTRACT\(jsonPayload\.(\w+)\)$", one)}
    known = {one for one in extractors.values() if one == "EXTRACT(resource.labels.service_name)"}
    assert len(names) + len(known) == len(extractors), f"not understood: {extractors}"
    return names


def test_the_time_until_a_badge_is_in_the_line(root: Terraform, caplog: pytest.LogCaptureFixture) -> None:
    """The metric of latency reads a field that the line of an event has, as a number."""
    caplog.set_level(logging.INFO, logger="badge_bridge")
    _event(state="done")
    metric = root.resources()["google_logging_metric.waited"]
    field = re.fullmatch(r"EXTRACT\(jsonPayload\.(\w+)\)", metric["value_extractor"])

    assert field is not None
    assert isinstance(caplog.records[0].__dict__["json_fields"][field[1]], float)


_CONDITION = re.compile(r'jsonPayload\.(\w+)(?:=\(([^)]+)\)|="([^"]+)"|=(\d+)|(:\*)|>=(\d+))|severity>=(\w+)')


def _matches(written: str, line: Mapping[str, Any]) -> bool:
    """Whether a filter of Cloud Logging takes this line, as far as ours are written."""
    assert not _CONDITION.sub("", written).strip(), f"not understood: {written}"
    return all(_holds(*found.groups(), line=line) for found in _CONDITION.finditer(written))


def _holds(
    name: str | None,
    several: str | None,
    text: str | None,
    number: str | None,
    there: str | None,
    least: str | None,
    severity: str | None,
    *,
    line: Mapping[str, Any],
) -> bool:
    if severity:
        levels = logging.getLevelNamesMapping()
        return levels[line["severity"]] >= levels[severity]
    if least:
        return float(line.get(name or "", "-inf")) >= float(least)
    if there:
        return name in line
    return str(line.get(name or "")) in (re.findall(r'"([^"]+)"', several) if several else [text or number])


_ROW = Row(
    key="s:1",
    source="s",
    type="call.missed",
    event="{}",
    time=NOW,
    joins=frozenset({"+49301234"}),
    verified="hmac",
    received_at=NOW,
    due=NOW,
    state="done",
    settled_at=NOW,
    history=[AttemptRow(1, NOW, outcomes=write_outcomes([Outcome(rule="r", result="badged")], attempt=1))],
)


def test_what_grows_and_what_is_long_has_no_index_of_its_own(root: Terraform) -> None:
    """Of an event's fields, times and texts without end are left out of the automatic indexes."""
    fields = documents.write_row(_ROW).fields
    growing = {name for name, value in fields.items() if isinstance(value, float)}
    unindexed = set(root.locals["unindexed"]["events"])

    assert growing - unindexed == set()
    assert {"event", "found", "history", "key"} <= unindexed <= fields.keys()


def test_what_is_asked_for_alone_keeps_its_index(root: Terraform) -> None:
    """A query with one field is answered by that field's own index, so that stays."""
    assert "key" not in root.locals["unindexed"]["attachments"]


@pytest.fixture
async def store(firestore: str, tmp_path: Path) -> AsyncIterator[Store]:
    store = STORES["firestore"](tmp_path)
    await store.open()
    yield store
    await store.close()


@pytest.mark.slow
async def test_each_query_has_its_index_and_back(
    root: Terraform, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Firestore refuses a query without its index, and an index that nothing asks for costs with every write."""
    needed = {index for index in await indexes_needed(store, monkeypatch) if len(index[1]) > 1}

    assert {_index(one) for one in root.locals["indexes"].values()} == needed


def _index(declared: Mapping[str, Any]) -> Index:
    """As `indexes_needed` writes it."""
    words = {"desc": "DESCENDING", "contains": "CONTAINS", "": "ASCENDING"}
    fields = [field.partition(" ") for field in declared["fields"]]
    return declared["collection"], tuple((name, words[order]) for name, _, order in fields)
