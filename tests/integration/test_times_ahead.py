"""Deliveries whose time lies in the future, through `serve`: what the cards show, and what operators are told."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from support.commands import commands
from support.deliveries import Sent
from support.programs import sandbox, send, serve, until

pytestmark = pytest.mark.slow

ANNA = "+4917139200011"
SECRET = "shop-secret-0123456789"
RULES = """
portals:
  main: {url: PORTAL, oauth: {access_token: "${ACCESS}"}}
sources:
  shop:
    provider: generic
    verify: {scheme: hmac, header: X-Signature}
    secrets: ["${SHOP_SECRET}"]
    event: {type: body.type, id: body.id, time: body.at, caller: body.phone}
badges:
  unpaid: {title: Order, value: Unpaid, type: failure}
rules:
  - {name: unpaid, on: order.unpaid, badge: unpaid, attach: {}, clear: {on: [order.paid]}}
"""


def signed(kind: str, number: str, at: str) -> Sent:
    body = json.dumps({"type": kind, "id": number, "at": at, "phone": ANNA}).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return Sent("/hooks/shop", body, {"Content-Type": "application/json", "X-Signature": digest})


def test_delivery_from_the_future_is_told_of_or_not_believed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An order that is paid in the year 9999 keeps no later badge off the card, one that is paid in three hours does,
    and the log, `events show` and `doctor` say so.
    """
    now = datetime.now(UTC)
    environ = {"ACCESS": ADMINISTRATOR_TOKEN, "SHOP_SECRET": SECRET, "STATE": f"sqlite:///{tmp_path / 'state.db'}"}
    with (
        sandbox() as (portal, webhook),
        serve(tmp_path, webhook, rules=RULES.replace("PORTAL", portal), **environ) as (bridge, url),
        commands(monkeypatch, capsys, tmp_path, environ) as run,
    ):

        def shown(number: str) -> dict[str, Any]:
            """What `events show` tells of the event with this id, once it has ended."""

            def ended() -> dict[str, Any]:
                listed = json.loads(run("events", "list", "--json")[1])
                lives = [json.loads(run("events", "show", one["key"], "--json")[1]) for one in listed]
                return next((one for one in lives if one["event"]["id"] == number and one["settled"]), {})

            return until(ended, what=f"the end of event {number}")

        def times() -> dict[str, str] | None:
            checks = json.loads(run("doctor", "--json")[1])["bridge"]
            return next((one for one in checks if one["name"] == "times of shop"), None)

        paid = signed("order.paid", "1", "9999-12-31T23:59:59Z")
        assert send(url, paid).status_code == 204
        assert send(url, paid).status_code == 204
        assert (shown("1")["event"]["told_time"], shown("1")["event"]["data"]["at"][:4]) == (
            "9999-12-31T23:59:59Z",
            "9999",
        )
        assert "which cannot be true and is not used" in bridge.find(r"(source shop: event .*)\n")[1]
        assert "and this moment counts, since" in run("events", "show", shown("1")["key"])[1]
        assert len(json.loads(run("events", "list", "--json")[1])) == 1
        doubted = times()
        assert doubted is not None
        assert doubted["status"] == "warning"

        assert send(url, signed("order.unpaid", "2", datetime.now(UTC).isoformat())).status_code == 204
        assert shown("2")["outcomes"][0]["result"] == "badged"
        assert times() is None

        assert send(url, signed("order.paid", "3", (now + timedelta(hours=3)).isoformat())).status_code == 204
        assert shown("3")["outcomes"][0]["result"] == "cleared"
        doubted = times()
        assert doubted is not None
        assert doubted["found"] == "its latest event tells a time 3 h ahead of this machine's clock"
        assert send(url, signed("order.unpaid", "4", datetime.now(UTC).isoformat())).status_code == 204
        assert "never attached: order.paid of" in shown("4")["outcomes"][0]["reason"]
        activities = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()["activities"]
        assert len([one for one in activities if one.get("originator_id") == "badge-bridge"]) == 1
