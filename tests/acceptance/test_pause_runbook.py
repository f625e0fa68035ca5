"""The runbook of a paused portal, from the trouble to its end: its commands, run as they stand in the README."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import httpx
import pytest

from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from support.programs import badge_bridge, sandbox, serve, serving_environ, until

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
RUNBOOK = README.split("\n### The portal is paused and the backlog grows\n")[1].split("\n### ")[0]
SHOWN = re.findall(r"^\$ badge-bridge (.+)\n((?:(?!\$ |```).*\n)+)", RUNBOOK, re.MULTILINE)

RULES = """
portals:
  main: {{url: "{portal}", oauth: {{access_token: "${{ACCESS}}"}}}}
sources:
  pbx:
    provider: generic
    verify: {{scheme: bearer}}
    secrets: ["${{PBX_TOKEN}}"]
    country: DE
    event: {{type: "'call.missed'", id: body.id, caller: body.from}}
badges:
  missedCall: {{title: Call status, value: Missed, type: failure}}
rules:
  - {{name: missed call, on: call.missed, badge: missedCall, attach: {{}}}}
"""
ANNA = "+4917139200011"


def said(shown: str) -> str:
    """A line of the README as a pattern: other numbers and lengths of time may stand in it, its method is what was asked
    first, and its end may be left out.
    """
    pattern = re.escape(re.sub(r" +", " ", shown.strip()).removesuffix("…"))
    pattern = re.sub(r"for\\ \d+\\ s", r"for [^,]+", pattern)
    pattern = re.sub(r"crm(\\\.\w+)+", r"crm[a-z.]+", pattern)
    pattern = re.sub(r"\d+\\ (m?s|min)\b", r"[.\\d]+\\ (m?s|min)", pattern)
    return re.sub(r"\d+", r"\\d+", pattern)


@pytest.mark.slow
def test_runbook_of_the_pause_leads_to_its_end_when_it_is_followed(tmp_path: Path) -> None:
    """Three calls wait for a portal that is blocked for a quarter of an hour; the block is lifted, and with the last
    command all three are done long before that time, with the badge on the card.
    """
    assert [command for command, _ in SHOWN] == ["stats", "doctor --portal main", "resume main"]
    with (
        sandbox() as (portal, webhook),
        serve(tmp_path, webhook, rules=RULES.format(portal=portal), ACCESS=ADMINISTRATOR_TOKEN) as (running, url),
    ):
        environ = {
            **serving_environ(tmp_path, webhook),
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "ACCESS": ADMINISTRATOR_TOKEN,
            "RULES": str(tmp_path / "rules.yaml"),
            "COLUMNS": "500",
        }

        def typed(command: str) -> str:
            done = subprocess.run(
                badge_bridge(*shlex.split(command)),
                env=environ,
                text=True,
                capture_output=True,
                timeout=60,
                check=False,
            )
            return re.sub(r" +", " ", done.stdout)

        def ask(method: str, name: str, order: object = None) -> None:
            httpx.request(method, f"{portal}/_sandbox/{name}", json=order, trust_env=False).raise_for_status()

        ask("POST", "faults", {"method": "*", "fault": "OVERLOAD_LIMIT", "times": 1000})
        for number in range(3):
            body = {"id": str(number), "from": ANNA if number == 0 else f"+49301234567{number}"}
            bearer = {"Authorization": f"Bearer {environ['PBX_TOKEN']}"}
            answer = httpx.post(f"{url}/hooks/pbx", json=body, headers=bearer, trust_env=False)
            assert answer.is_success
        until(lambda: "3 of them for main" in typed("stats"), what="three events that wait for the portal")

        for command, shown in SHOWN:
            if command.startswith("resume"):
                ask("DELETE", "faults")  # as Bitrix24's support does
            printed = typed(command)
            for line in shown.splitlines():
                assert re.search(said(line), printed), (command, line, printed)

        until(lambda: "none wait" in typed("stats"), what="the end of the backlog")
        running.find("lane main is tried [0-9]+ s early: its pause was ended by hand")
        running.find("lane main is open again")
        events = typed("events list")
        assert (events.count("done"), events.count("ignored")) == (1, 2), events
        cards = httpx.get(f"{portal}/kanban.json", trust_env=False).json()
        on_cards = [
            card["badge"] for board in cards["boards"] for column in board["columns"] for card in column["cards"]
        ]
        assert [badge["value"] for badge in on_cards if badge] == ["Missed"]
