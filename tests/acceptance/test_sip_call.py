"""A telephone rings: SIP from end to end, Kamailio with the README's lines, the bridge, and the badge on the card."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.demo.stage import ANNA, ANNAS_DEAL, OUR_LINE
from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET, CLIENT_ID
from support.programs import badge_bridge, free_port, health, program, sandbox, until
from support.readme_templates import rules_half
from support.sip import OFFICE, Exchange, kamailio

pytestmark = pytest.mark.slow

TOKEN = "kamailio-token-0123456789"
NAMED = f'"Anna \\"the boss\\" Berger, & Co." <sip:{ANNA}@carrier.example>'
WITHHELD = '"Anonymous" <sip:anonymous@anonymous.invalid>'

RULES = """
portals:
  main:
    url: {portal}
    oauth: {{client_id: {client_id}, client_secret: "${{CLIENT_SECRET}}", server: {portal}}}
    install_url: {url}/install
badges:
  missedCall: {{title: Call status, value: Missed, type: failure}}
  busyCall: {{title: Call status, value: Busy, type: warning}}
rules:
  - {{name: missed call, on: call.missed, badge: missedCall, attach: {{}}, clear: {{on: [call.answered]}}}}
  - {{name: busy, on: call.busy, badge: busyCall, attach: {{}}, clear: {{on: [call.answered]}}}}
"""


@dataclass(frozen=True, slots=True)
class Office:
    """Everything that runs: the exchange and the portal all the time, the bridge while `serving`."""

    exchange: Exchange
    portal: str
    bridge: str
    folder: Path
    environ: dict[str, str]

    @contextmanager
    def serving(self) -> Iterator[None]:
        port = self.bridge.rpartition(":")[2]
        command = badge_bridge("serve", "--rules", str(self.folder / "rules.yaml"), "--port", port)
        with program(command, env=self.environ):
            until(lambda: health(self.bridge) == 200, what="the bridge")
            yield

    def install(self) -> None:
        """Let the portal install the application, as Bitrix24 does when it is made."""
        order = {"url": f"{self.bridge}/install"}
        answer = httpx.post(f"{self.portal}/_sandbox/install", json=order, trust_env=False)
        assert answer.json()["status"] == 200

    def customer_calls(self, how: str, *, caller: str = NAMED) -> None:
        self.exchange.call(how, caller=caller, callee=OUR_LINE)

    def we_call(self, how: str) -> None:
        self.exchange.call(how, caller=f"<sip:{OUR_LINE}@office.example>", callee=ANNA, at=OFFICE)

    def events(self, number: int) -> list[dict[str, Any]]:
        """So many events, in the order in which they were received, once all have ended."""
        return until(lambda: self._ended(number), what=f"{number} events that have ended")

    def time_of(self, event: dict[str, Any]) -> float:
        """When it happened, in unix seconds."""
        whole = self._told("show", event["key"])
        return datetime.fromisoformat(whole["event"]["time"]).timestamp()

    def badges(self) -> list[str]:
        """What Anna's card shows."""
        answer = httpx.get(f"{self.portal}/kanban.json", params={"board": "deals"}, trust_env=False).json()
        cards = [card for board in answer["boards"] for column in board["columns"] for card in column["cards"]]
        (badge,) = [card["badge"] for card in cards if card["id"] == ANNAS_DEAL]
        return [badge["value"]] if badge else []

    def _ended(self, number: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._told("list")
        assert len(rows) <= number, rows
        ended = [row for row in rows if row["state"] in ("done", "ignored", "dead")]
        return ended[::-1] if len(ended) == number else []

    def _told(self, *command: str) -> Any:
        with program(badge_bridge("events", *command, "--json"), env=self.environ) as running:
            assert running.process.wait(30) == 0, running.drain()
            return json.loads(running.drain())


@pytest.fixture
def office(tmp_path: Path, optional_program: Callable[[str], str]) -> Iterator[Office]:
    programs = {name: optional_program(name) for name in ("kamailio", "sipp")}
    bridge = f"http://127.0.0.1:{free_port()}"
    environ = {
        "STATE": f"sqlite:///{tmp_path / 'state.db'}",
        "CLIENT_SECRET": APPLICATION_SECRET,
        "KAMAILIO_TOKEN": TOKEN,
        "ENCRYPTION_KEY": new_key(),
        "LOG_FORMAT": "json",
    }
    with sandbox() as (portal, _), kamailio(tmp_path, programs, bridge=bridge, token=TOKEN) as exchange:
        rules = RULES.format(portal=portal, client_id=CLIENT_ID, url=bridge) + rules_half("Kamailio")
        (tmp_path / "rules.yaml").write_text(rules, "utf-8")
        yield Office(exchange, portal, bridge, tmp_path, environ)


def told(event: dict[str, Any]) -> tuple[str, str, str]:
    return event["type"], event["caller"], event["state"]


@pytest.mark.parametrize("how", ["cancelled", "unanswered"])
def test_customer_who_rings_in_vain_is_missed_until_somebody_calls_back(office: Office, how: str) -> None:
    """Whether the caller gives up or the ringing ends: the badge is on his card, and off when he was reached."""
    with office.serving():
        office.install()
        office.customer_calls(how)
        (missed,) = office.events(1)
        assert told(missed) == ("call.missed", ANNA, "done")
        assert office.badges() == ["Missed"]
        office.we_call("486")
        assert told(office.events(2)[1]) == ("call.failed", OUR_LINE, "ignored")
        assert office.badges() == ["Missed"]
        office.we_call("answered")
        assert told(office.events(3)[2])[:2] == ("call.answered", OUR_LINE)
        until(lambda: office.badges() == [], what="a card without a badge")


def test_each_end_of_a_call_has_its_type(office: Office) -> None:
    """Busy gets its own badge, a declined call and an answered one get none, and whoever hides his number is not made up."""
    with office.serving():
        office.install()
        office.customer_calls("answered")
        office.events(1)
        assert office.badges() == []
        office.customer_calls("603")
        office.customer_calls("480", caller=WITHHELD)
        office.events(3)
        assert office.badges() == []
        office.customer_calls("486")
        types = [(event["type"], event["caller"]) for event in office.events(4)]
        assert office.badges() == ["Busy"]
    assert types == [("call.answered", ANNA), ("call.rejected", ANNA), ("call.missed", ""), ("call.busy", ANNA)]


def test_calls_wait_in_the_exchange_while_the_bridge_is_away(office: Office) -> None:
    """Nothing is lost, and calls take no longer: what happened meanwhile is told with its own time when it is back."""
    with office.serving():
        office.install()
    office.customer_calls("cancelled")
    office.customer_calls("answered", caller=WITHHELD)
    office.exchange.running.find("failed to connect")
    back = time.time()
    with office.serving():
        told_of = {event["type"]: office.time_of(event) for event in office.events(2)}
        assert office.badges() == ["Missed"]
    assert set(told_of) == {"call.missed", "call.answered"}
    assert told_of["call.missed"] < told_of["call.answered"] < back
