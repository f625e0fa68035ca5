"""A bridge that runs by the README's first rules file against a sandbox portal, and the person who is on call for it:
what is typed beside `serve`, what the console and the log say, and what is on the cards.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET, CLIENT_ID
from support.deliveries import TWILIO_TOKEN, Sent, twilio
from support.operators import entrance, text_of
from support.programs import Program, badge_bridge, free_port, sandbox, send, until
from support.readme_files import README, installed
from support.runbooks import Runbook, pattern

__all__ = ["ANNA", "ANNAS_DEAL", "OnCall", "on_call"]

ANNA, ANNAS_DEAL = "+4917139200011", 41
"""A customer of the sandbox, and her open deal."""

_FIRST = README.split("\n## A first rules file, against a real portal\n")[1].split("\n## ")[0]
_RULES = textwrap.dedent(re.findall(r"^ *```yaml\n(.*?)^ *```$", _FIRST, re.DOTALL | re.MULTILINE)[0])


class OnCall:
    """`url` is the address of the listener for deliveries, `admin` that of the other one; the rules file is in `folder`,
    where everything is typed. `running` is `serve`.
    """

    running: Program

    def __init__(self, folder: Path, portal: str) -> None:
        self.folder = folder
        self.url, self.admin = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.rules, self.store = folder / "rules.yaml", folder / "state.db"
        places = {
            "https://acme.bitrix24.com": portal,
            '"${B24_CLIENT_SECRET}"': f'"${{B24_CLIENT_SECRET}}", server: "{portal}"',
            "https://bridge.example.com": self.url,
        }
        self.rules.write_text(installed(_RULES, places), "utf-8")
        self.environ = {
            "RULES": "rules.yaml",
            "STATE": f"sqlite:///{self.store}",
            "ADMIN": self.admin.removeprefix("http://"),
            "B24_CLIENT_ID": CLIENT_ID,
            "B24_CLIENT_SECRET": APPLICATION_SECRET,
            "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
            "ENCRYPTION_KEY": new_key(),
            "LOG_FORMAT": "console",
            "COLUMNS": "500",
        }
        self._sandbox = httpx.Client(base_url=portal, trust_env=False, timeout=30)

    def start(self, **environ: str) -> None:
        """Start `serve`, which does not run, with so much more in the environment."""
        self.environ |= environ
        self.running = Program(
            badge_bridge("serve", "--port", self.url.rpartition(":")[2]), env=self.environ, cwd=self.folder
        )
        self.running.find("listening on")

    def close(self) -> None:
        """End `serve`, where it runs, and the connections."""
        if "running" in vars(self) and self.running.process.poll() is None:
            self.running.stop()
        self._sandbox.close()
        if "console" in vars(self):
            self.console.close()

    def install(self) -> None:
        """Let an administrator of the portal install the application."""
        assert self.ask("POST", "install", url=f"{self.url}/install")["status"] == 200

    def ask(self, verb: str, control: str, **order: Any) -> dict[str, Any]:
        """Use one of the sandbox's controls."""
        body = order if verb == "POST" else None
        answer = self._sandbox.request(verb, f"/_sandbox/{control}", json=body)
        said: dict[str, Any] = answer.raise_for_status().json()
        return said

    def missed(self, call: str, caller: str = ANNA, *, at: float | None = None, **how: str) -> int:
        """Let Twilio report a missed call, as it is set up in the README; the status that it is answered."""
        return self.deliver(twilio(call, caller=caller, at=at, **{"public_url": f"{self.url}/hooks/reception", **how}))

    def deliver(self, sent: Sent) -> int:
        return send(self.url, sent).status_code

    def typed(self, command: str) -> str:
        """What a command prints, line by line, with single spaces."""
        words = shlex.split(command)
        done = subprocess.run(
            badge_bridge(*words[1:]) if words[0] == "badge-bridge" else words,
            env={**os.environ, **self.environ},
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        return re.sub(r"[^\S\n]+", " ", done.stdout)

    def follows(self, runbook: Runbook, begins: str, **places: str) -> str:
        """Type the command of the runbook that begins so, with each of `places` instead of what stands there, and see
        that it prints what is shown there; what it printed.
        """
        command = runbook.command(begins)
        shown = runbook.shown.get(command, [])
        printed = self.typed(_with(command, places))
        for line in shown:
            assert re.search(pattern(_with(line, places)), printed), (command, line, printed)
        return printed

    def hears(self, line: str) -> None:
        """Wait for a line of the log, as the README has it."""
        self.running.find(pattern(line))

    def edit(self, *changes: tuple[str, str]) -> None:
        """Write the rules file with each first text, which is there once, replaced by the second, at once."""
        text = self.rules.read_text("utf-8")
        for old, new in changes:
            assert text.count(old) == 1, (old, text)
            text = text.replace(old, new)
        beside = self.rules.with_suffix(".new")
        beside.write_text(text, "utf-8")
        beside.replace(self.rules)

    def takes_up(self, *changes: tuple[str, str]) -> None:
        """Edit the rules file, and wait until `serve` works by it."""
        before = self.running.output.count("rules reloaded from")
        self.edit(*changes)
        self.running.find(rf"(?s)(?:rules reloaded from.*){{{before + 1}}}")

    @cached_property
    def console(self) -> httpx.Client:
        """A browser that has followed the link of `badge-bridge console`."""
        browser = httpx.Client(base_url=self.admin, trust_env=False, headers={"Accept": "text/html"}, timeout=20)
        assert browser.post(**entrance(self.typed("badge-bridge console").strip())).status_code == 303
        return browser

    def page(self, path: str = "") -> str:
        """What a reader of a page of the console sees; of **Now** where none is named."""
        return text_of(self.console.get(f"/console{path}").raise_for_status().text)

    def event(self, caller: str, state: str, **fields: object) -> str:
        """Wait for the newest event of this customer to be so; its key."""

        def look() -> str:
            found = self.console.get("/console/api/v1/events.json", params={"phone": caller}).json()["events"]
            wanted = {"state": state, **fields}
            return str(found[0]["key"]) if found and wanted.items() <= found[0].items() else ""

        return until(look, what=f"an event of {caller} that is {state}")

    def waiting(self, lane: str) -> int:
        """How many events wait for it."""
        lanes = self.console.get("/console/api/v1/now.json").raise_for_status().json()["backlog"]["lanes"]
        return sum(one["waiting"] for one in lanes if one["lane"] == lane)

    def is_alarming(self, alert: str) -> bool:
        """Whether a series that the README's alert of this name looks at has begun to be as it says: above 0, or 0. How
        much of it, and for how long, is left to Prometheus.
        """
        (expression,) = re.findall(rf"alert: {alert} .*\n +expr: (.+)", README)
        told = httpx.get(f"{self.admin}/metrics", trust_env=False, timeout=10).raise_for_status().text
        samples = [one for family in text_string_to_metric_families(told) for one in family.samples]
        for one in expression.split(" or "):
            name, labels, compared = re.findall(r"(badge_bridge_\w+)(?:\{(.*?)\})?.* (==|>) ", one)[0]
            wanted = dict(re.findall(r'(\w+)="(\w+)"', labels)).items()
            value = sum(one.value for one in samples if one.name == name and wanted <= one.labels.items())
            if value > 0 if compared == ">" else value == 0:
                return True
        return False

    def badges(self) -> dict[int, str]:
        """What the badges on the cards say, by the deals."""
        boards = self._sandbox.get("/kanban.json").raise_for_status().json()["boards"]
        cards = [card for board in boards for column in board["columns"] for card in column["cards"]]
        return {card["id"]: card["badge"]["value"] for card in cards if card["badge"]}


def _with(text: str, places: Mapping[str, str]) -> str:
    for named, place in places.items():
        text = text.replace(named, place)
    return text


@contextmanager
def on_call(folder: Path) -> Iterator[OnCall]:
    """Everything running, and the application not installed yet; all of it ends with the block."""
    with sandbox() as (portal, _):
        bridge = OnCall(folder, portal)
        try:
            bridge.start()
            yield bridge
        finally:
            bridge.close()
