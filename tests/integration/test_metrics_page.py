"""The metrics of a running `serve`, after deliveries of every fate."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from badge_bridge.door import FEWEST_CONNECTIONS, SPARE_FILES
from support.deliveries import Sent, pbx, shop
from support.programs import sandbox, send, serve, until

pytestmark = pytest.mark.slow

EVIL = "customer-4930901820"
"""A word that only a sender knows; it must be no label."""


def told(number: int) -> bytes:
    return json.dumps({"type": "call.missed", "id": f"call-{number}"}).encode()


def metrics_at(url: str) -> tuple[str, Callable[..., float]]:
    """The page, and what a metric with these labels says there, in all its series together."""
    text = httpx.get(f"{url}/metrics", trust_env=False, timeout=10).raise_for_status().text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]

    def value(name: str, **labels: str) -> float:
        return sum(
            one.value for one in samples if one.name == f"badge_bridge_{name}" and labels.items() <= one.labels.items()
        )

    return text, value


def test_every_fate_of_a_delivery_is_counted_when_it_was_sent(tmp_path: Path) -> None:
    """Accepted, duplicate and refused ones by source, and what came of them at the portal; nothing of the sender's."""
    with sandbox() as (_, webhook), serve(tmp_path, webhook) as (running, url):
        admin = running.find(r"operators find \S+ and \S+ at (http://[^;]+);")[1]
        for number in (1, 2, 3, 3):
            assert send(url, pbx(told(number))).status_code == 204
        forged = pbx(told(4))
        forged.headers["Authorization"] = f"Bearer {EVIL}"
        assert send(url, forged).status_code == 401
        assert send(url, Sent(f"/hooks/{EVIL}", forged.body, pbx(told(4)).headers)).status_code == 404
        assert send(url, pbx(b"{")).status_code == 400
        stale = send(url, shop("msg_1", {"status": "paid"}, at=time.time() - 4000))
        assert (stale.status_code, stale.content) == (401, b"")  # as a forgery is, as far as its sender knows
        until(lambda: metrics_at(admin)[1]("attempts_total", result="done") == 3, what="3 events that are done")

        text, value = metrics_at(admin)
        received = {result: value("events_received_total", source="pbx", result=result) for result in FATES}
        assert received == {"accepted": 3, "duplicate": 1}
        refused = {reason: value("deliveries_refused_total", source="pbx", reason=reason) for reason in REASONS}
        assert refused == {"unauthenticated": 1, "malformed": 1}
        assert value("deliveries_refused_total", source="", reason="unknown_source") == 1
        assert value("deliveries_refused_total", source="shop", reason="outside_window") == 1
        assert value("deliveries_refused_total", source="shop") == 1
        assert value("deliveries_refused_total") == 4
        running.find(r"the signature is right, but 400\d s old; 300 s are allowed. Either a clock is wrong")
        assert value("accept_seconds_count", source="pbx") == value("store_write_seconds_count") == 4
        assert value("events_taken_total") == value("attempts_total") == value("event_done_seconds_count") == 3
        assert value("outcomes_total", rule="missed call", result="ensured", portal="main") == 3
        assert value("portal_requests_total", portal="main", result="ok") >= 1
        assert value("portal_commands_total", method="crm.activity.badge.add") == 1
        assert (
            value("portal_batch_commands_count")
            == value("portal_requests_total")
            == value("limiter_wait_seconds_count")
        )
        assert value("events", state="waiting") == value("events", state="dead") == value("oldest_waiting_seconds") == 0
        assert value("store_up") == value("build_info") == 1
        assert EVIL not in text


FATES, REASONS = ("accepted", "duplicate"), ("unauthenticated", "malformed")


def test_backlog_is_told_when_the_portal_is_away(tmp_path: Path) -> None:
    """A portal that nobody answers for is paused; what waits for it is counted under its name, and the oldest ages."""
    with serve(tmp_path, "http://127.0.0.1:9/rest/1/secretsecret/") as (running, url):
        admin = running.find(r"operators find \S+ and \S+ at (http://[^;]+);")[1]
        for number in (1, 2):
            assert send(url, pbx(told(number))).status_code == 204
        until(
            lambda: metrics_at(admin)[1]("events_waiting", lane="main") == 2, what="2 events that wait for the portal"
        )
        _, value = metrics_at(admin)
        assert value("oldest_waiting_seconds") > 0
        assert value("lane_paused_until_timestamp_seconds", lane="main") > 1_700_000_000
        assert value("portal_requests_total", result="portal_unreachable") >= 1
        assert value("attempts_total", result="paused") >= 2
        ready = httpx.get(f"{admin}/readyz", trust_env=False).raise_for_status().json()
        assert [one["lane"] for one in ready["paused"]] == ["main"]


def test_connection_that_gives_way_is_counted_when_all_are_in_use(tmp_path: Path) -> None:
    """What ends at the door has no source; a flood shows all the same, and the metrics have a door of their own."""
    few = ["sh", "-c", f'ulimit -n {SPARE_FILES + FEWEST_CONNECTIONS}; exec "$@"', "sh"]
    with serve(tmp_path, "http://127.0.0.1:9/rest/1/secretsecret/", wrap=few) as (running, url), ExitStack() as stack:
        admin = running.find(r"operators find \S+ and \S+ at (http://[^;]+);")[1]
        host, port = url.removeprefix("http://").split(":")
        first, *_ = [
            stack.enter_context(socket.create_connection((host, int(port)), 10)) for _ in range(FEWEST_CONNECTIONS + 1)
        ]
        assert first.recv(100).startswith(b"HTTP/1.1 503 ")
        assert metrics_at(admin)[1]("connections_refused_total") == 1
