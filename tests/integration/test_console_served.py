"""The console of a real `serve`: from a phone number to the reason, and from the reason to another try."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.deliveries import pbx
from support.operators import entrance, text_of
from support.programs import ROOT, badge_bridge, send, serve, serving_environ

pytestmark = pytest.mark.slow

PORTAL = "http://127.0.0.1:9/rest/1/secretsecret/"
"""Nobody listens there."""
RULES = """
portals:
  main:
    webhook: "${WEBHOOK}"
sources:
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${PBX_TOKEN}"]
    event: {type: body.type, id: body.id, caller: body.caller, direction: "'inbound'"}
    country: DE
badges:
  missedCall: {title: Call status, value: Missed, type: failure}
rules:
  - name: missed call
    on: call.missed
    when: event.line == '+4930555'
    badge: missedCall
"""
CALLER = "+4930901820"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The browser of somebody who has followed a link; a customer's call was received and ignored."""
    folder = tmp_path_factory.mktemp("served")
    with serve(folder, PORTAL, rules=RULES) as (running, url):
        admin = running.find(r"operators find /metrics and /console at (http://[^;]+);")[1]
        body = json.dumps({"type": "call.missed", "id": "one", "caller": "030 901820"}).encode()
        assert send(url, pbx(body)).status_code == 204
        with httpx.Client(base_url=admin, trust_env=False, headers={"Accept": "text/html"}, timeout=20) as browser:
            assert browser.post(**entrance(link(folder))).status_code == 303
            yield browser
        assert running.stop() == 0


def link(folder: Path) -> str:
    done = subprocess.run(
        badge_bridge("console"),
        env={**os.environ, **serving_environ(folder, PORTAL)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def ended(browser: httpx.Client, attempts: int) -> dict[str, Any]:
    """The one event as the list has it, once so many attempts at it have ended."""
    until = time.monotonic() + PATIENCE
    while True:
        (event,) = browser.get("/console/api/v1/events.json?phone=030%20901820").json()["events"]
        if event["state"] == "ignored" and event["attempts"] == attempts:
            found: dict[str, Any] = event
            return found
        assert time.monotonic() < until, event
        time.sleep(0.05)


def test_reason_is_found_from_the_phone_number_and_the_event_is_tried_again(operator: httpx.Client) -> None:
    """In four pages, without a script: the number, the event, which part of the condition failed, and another try."""
    event = ended(operator, 1)
    page = operator.get("/console/events", params={"phone": "030/90 18 20", "within": "hour"})
    assert f"Events of {CALLER}" in text_of(page.text)
    assert event["came_of"] in text_of(page.text)
    (address,) = re.findall(r'<td class="when"><a href="([^"]+)"', page.text)
    page = operator.get(address)
    assert "event.line == '+4930555' is false: event.line is \"\"" in text_of(page.text)
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
    same = {"Origin": str(operator.base_url).rstrip("/")}
    done = operator.post("/console/redrive/now", data={**form, "with": "then"}, headers=same)
    assert done.status_code == 303
    assert "1 event will be tried again" in text_of(operator.get(done.headers["location"]).text)
    assert ended(operator, 2)["key"] == event["key"]


@pytest.mark.parametrize("path", ["", "/events", "/events/KEY", "/redrive", "/redrive?state=dead"])
def test_page_and_its_twin_are_served(operator: httpx.Client, path: str) -> None:
    """Every page answers, and the JSON that it leads to does, too."""
    key = operator.get("/console/api/v1/events.json").json()["events"][0]["key"]
    page = operator.get(f"/console{path.replace('KEY', key)}")
    assert page.status_code == 200
    (twin,) = re.findall(r'<a href="(/console/api/v1/[^"]+)">', page.text)
    answer = operator.get(twin.replace("&amp;", "&"))
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)
