"""`badge-bridge fetch`: calls whose event never came are asked for now, to the last one."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.backfill.fetching import PAGES
from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN
from badge_bridge.store import open_store
from badge_bridge.store.protocol import StoredEvent
from support.commands import Run, commands
from support.programs import ROOT, badge_bridge, program, until
from support.programs import sandbox as running_sandbox
from support.terminals import terminal

pytestmark = pytest.mark.slow

RULES = """
portals:
  main:
    url: {portal}
    oauth: {{access_token: "${{TOKEN}}"}}
    limits: {limits}
sources:
  office: {{provider: bitrix24, secrets: ["${{SECRET}}"]{more}}}
badges:
  missedCall: {{title: Call, value: Missed, type: failure}}
rules:
  - {{name: missed call, on: call.missed, badge: missedCall, attach: {{to: [contact]}}}}
"""
SEVERAL = """
portals:
  main: {url: PORTAL, oauth: {access_token: "${TOKEN}"}}
  two: {url: PORTAL, oauth: {access_token: "${TOKEN}"}}
  third: {url: PORTAL, oauth: {access_token: "${TOKEN}"}}
sources:
  office: {provider: bitrix24, secrets: ["${SECRET}"], portal: main}
  a: {provider: bitrix24, secrets: ["${SECRET}"], portal: two}
  b: {provider: bitrix24, secrets: ["${SECRET}"], portal: two}
badges:
  missedCall: {title: Call, value: Missed, type: failure}
rules:
  - {name: missed call, on: call.missed, badge: missedCall}
"""
UNLIMITED = "{rate: 1000, burst: 1000}"
SECRET = "outgoing-webhook-token"
STATISTICS = "voximplant.statistic.get"
ANNA = "+4917139200011"
MANY = PAGES * 49 + 120
"""Calls that one look does not read to their end."""


@dataclass
class Site:
    """A folder with a rules file and a store, beside a sandbox portal without limits."""

    folder: Path
    portal: str
    environ: dict[str, str]

    def rules(self, limits: str = UNLIMITED, more: str = "") -> None:
        (self.folder / "rules.yaml").write_text(RULES.format(portal=self.portal, limits=limits, more=more), "utf-8")

    def control(self, name: str, **body: Any) -> None:
        httpx.post(f"{self.portal}/_sandbox/{name}", json=body, trust_env=False, timeout=30).raise_for_status()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.portal}/_sandbox/state", trust_env=False, timeout=30).json()
        return found

    def has_calls(self, count: int, **odd: dict[str, Any]) -> None:
        """So many calls, missed a moment ago; of those whose number is named, something is otherwise."""
        now = time.time()
        rows = [
            {
                "id": number,
                "call_id": f"call-{number}",
                "call_type": 2,
                "phone_number": ANNA,
                "call_start_date": now,
                "call_failed_code": "304",
                **odd.get(f"call_{number}", {}),
            }
            for number in range(1, count + 1)
        ]
        self.control("seed", calls=rows)

    def asked(self) -> int:
        """How often the portal was asked for its statistics."""
        found = httpx.get(f"{self.portal}/_sandbox/requests", params={"method": STATISTICS}, trust_env=False).json()
        return len(found["requests"])

    def events(self) -> list[StoredEvent]:
        async def look() -> list[StoredEvent]:
            store = open_store(f"sqlite:///{self.folder}/badge-bridge.db")
            await store.open()
            try:
                page = await store.list(limit=1000)
                found = [*page.events]
                while page.more is not None:
                    page = await store.list(limit=1000, before=page.more)
                    found += page.events
                return found
            finally:
                await store.close()

        return asyncio.run(look())


@pytest.fixture(scope="module")
def portal() -> Iterator[str]:
    with running_sandbox() as (url, _):
        yield url


@pytest.fixture
def site(tmp_path: Path, portal: str) -> Site:
    async def make() -> None:
        store = open_store(f"sqlite:///{tmp_path}/badge-bridge.db")
        await store.open()
        await store.close()

    asyncio.run(make())
    environ = {"TOKEN": ADMINISTRATOR_TOKEN, "SECRET": SECRET, "PYTHONPATH": str(ROOT / "functions")}
    site = Site(tmp_path, portal, environ)
    site.rules()
    site.control("reset")
    site.control("seed", limits=None, calls=[])
    return site


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], site: Site) -> Iterator[Run]:
    with commands(monkeypatch, capsys, site.folder, site.environ) as run:
        yield run


def test_what_has_ended_since_the_first_sight_is_fetched(run: Run, site: Site) -> None:
    """What was there before is history. Where no serve runs, what is new is said to wait for it."""
    site.has_calls(2)
    first = (
        "portal main: seen for the first time: calls are fetched from now on, and what is there already is history\n"
    )
    assert run("fetch") == (0, first, "")
    assert run("fetch") == (0, "portal main: nothing new: no call has ended since the last look\n", "")
    site.has_calls(5)
    code, out, err = run("fetch")
    assert (code, err) == (0, "")
    assert out == (
        "portal main: 3 calls read for source office: 3 new, which are events now\n"
        "no serve runs on this store: what is new waits for it\n"
    )
    assert sorted(one.event.id for one in site.events()) == ["call-3", "call-4", "call-5"]
    assert {one.state for one in site.events()} == {"waiting"}


def test_it_reads_on_where_one_look_would_stop(run: Run, site: Site) -> None:
    """Every page is asked for once; its own count of requests is that of all looks."""
    site.has_calls(1)
    run("fetch")
    site.has_calls(1 + MANY)
    before = site.asked()
    code, out, err = run("fetch")
    assert (code, err) == (0, "")
    assert f"{MANY:,} calls read for source office: {MANY:,} new, which are events now" in out
    assert len(site.events()) == MANY
    # One of them is for the newest row, by which it is known how many there are.
    assert site.asked() - before == -(-MANY // 49) + 1


def test_calls_are_told_apart_by_what_became_of_them(run: Run, site: Site) -> None:
    """Those that nobody is helped by any more, and those that do not say which call they are, are counted."""
    site.has_calls(1)
    run("fetch")
    old = {"call_start_date": time.time() - 8 * 86_400}
    site.has_calls(5, call_2=old, call_3=old, call_4={"call_id": ""})
    code, out, _ = run("fetch", "--json")
    assert code == 0
    assert json.loads(out) == {
        "served": False,
        "portals": {
            "main": {
                "status": "read",
                "source": "office",
                "found": "4 calls read for source office: 1 new, which is an event now; 2 from more than seven days "
                "ago, left out; 1 that cannot be read, left out",
                "mend": "",
                "read": 4,
                "new": 1,
                "old": 2,
                "unreadable": 1,
            }
        },
    }


def test_beside_a_serve_whose_portal_drops_events_the_calls_get_their_badges(run: Run, site: Site) -> None:
    """In the minute for which the turn to look is the serve's, too; it works on what the command has found."""
    customers = [f"+4930{23125000000 + number}" for number in range(5)]
    site.control(
        "seed",
        contacts=[{"id": 1000 + at, "name": f"Customer {at}", "phones": [one]} for at, one in enumerate(customers)],
        **{kind: [] for kind in ("deals", "leads", "companies", "activities")},
        sending={"drop": 1.0, "seed": 7},
        outgoing_webhooks=[
            {
                "url": "http://127.0.0.1:9/hooks/office",
                "events": ["ONVOXIMPLANTCALLEND"],
                "application_token": SECRET,
            }
        ],
    )
    with program(badge_bridge("serve", "--port", "0"), env=site.environ, cwd=site.folder) as running:
        running.find(r"from now on calls whose event does not come are fetched")
        for number in customers:
            site.control("calls", phone_number=number)
        code, out, err = run("fetch")
        assert (code, err) == (0, "")
        assert out == (
            "portal main: 5 calls read for source office: 5 new, which are events now\n"
            "serve works on what is new within seconds\n"
        )

        def badges() -> list[int]:
            return sorted(
                one["owner_id"] for one in site.state()["activities"] if one["originator_id"] == "badge-bridge"
            )

        until(lambda: badges() == [1000 + at for at in range(5)], what="five badges")
        assert run("fetch")[:2] == (0, "portal main: nothing new: no call has ended since the last look\n")


@pytest.mark.parametrize("more", ["", ", backfill: true"], ids=["left to the portal", "demanded"])
def test_refused_right_is_told_as_doctor_tells_it(run: Run, site: Site, more: str) -> None:
    """Each time anew, since somebody may have granted it in between; and then nothing is lost."""
    site.rules(more=more)
    site.has_calls(1)
    run("fetch")
    users = site.state()["users"]
    site.control("seed", users=[{**one, "call_statistics": False} for one in users])
    site.has_calls(2)
    checks = {one["name"]: one for one in json.loads(run("doctor", "--json")[1])["portal main"]}
    code, out, err = run("fetch")
    assert (code, out) == (1, "")
    assert err == f"badge-bridge: portal main: {checks['lost calls']['found']}\n→ {checks['lost calls']['mend']}\n"
    assert "view the call statistics" in err
    told = json.loads(run("fetch", "--json")[1])["portals"]["main"]
    assert (told["status"], told["mend"]) == ("failed", checks["lost calls"]["mend"])
    site.control("seed", users=users)
    assert "1 call read for source office: 1 new, which is an event now" in run("fetch")[1]


def test_portal_that_does_not_answer_is_a_failure(run: Run, site: Site) -> None:
    """What was read before it is told, and kept."""
    site.has_calls(1)
    run("fetch")
    site.has_calls(1 + 120)
    # The first page and the newest row are answered.
    site.control("faults", method=STATISTICS, fault="http-500", after=2)
    code, out, err = run("fetch")
    assert (code, out) == (1, "no serve runs on this store: what is new waits for it\n")
    read = "badge-bridge: portal main: 49 calls read for source office: 49 new, which are events now. Then: "
    assert err.startswith(f"{read}{STATISTICS}")
    assert "→ Try again in a few minutes." in err
    assert "71 calls read for source office: 71 new" in run("fetch")[1]
    assert len(site.events()) == 120


def test_portal_that_has_not_let_the_bridge_in_is_a_failure(
    run: Run, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about it; the portal is not asked."""
    oauth = f'{{client_id: local.sandbox-application, client_secret: "${{TOKEN}}", server: "{site.portal}"}}'
    file = site.folder / "rules.yaml"
    file.write_text(file.read_text("utf-8").replace('{access_token: "${TOKEN}"}', oauth), "utf-8")
    monkeypatch.setenv("ENCRYPTION_KEY", new_key())
    code, out, err = run("fetch")
    assert (code, out) == (1, "")
    assert err.startswith("badge-bridge: portal main: the application is not installed.\n→ A portal administrator")
    assert "badge-bridge authorize main" in err
    assert site.asked() == 0


def test_another_fetch_is_not_disturbed(run: Run, site: Site) -> None:
    """Who comes second is told when to come again, and can once the first one has ended, however it did."""
    site.has_calls(1)
    run("fetch")
    site.has_calls(1 + MANY)
    site.rules(limits="{rate: 4, burst: 1}")
    before = site.asked()
    with program(badge_bridge("fetch"), env=site.environ, cwd=site.folder) as first:
        until(lambda: site.asked() > before, what="the first page")
        code, out, err = run("fetch")
        assert (code, out) == (1, "")
        assert err == "badge-bridge: portal main: another process is looking right now; again in a minute\n"
        assert json.loads(run("fetch", "--json")[1])["portals"]["main"]["status"] == "elsewhere"
        assert first.stop(signal.SIGINT) == 130
    site.rules()
    assert run("fetch")[0] == 0
    assert len(site.events()) == MANY


def test_portals_that_are_not_asked_say_why(run: Run, site: Site) -> None:
    """With what to write where the file leaves it open; that is no failure. A portal can be chosen."""
    (site.folder / "rules.yaml").write_text(SEVERAL.replace("PORTAL", site.portal), "utf-8")
    code, out, err = run("fetch")
    assert (code, err) == (0, "")
    assert "portal main: seen for the first time" in out
    assert (
        "portal two: not fetched: the sources a and b may take them\n"
        "→ Write backfill: true at the one that calls report to in the rules file.\n"
    ) in out
    assert "portal third: not fetched: no source of provider bitrix24\n" in out
    assert run("fetch", "--portal", "third") == (
        0,
        "portal third: not fetched: no source of provider bitrix24\n",
        "",
    )
    assert run("fetch", "--portal", "mian")[0] == 2
    assert json.loads(run("fetch", "--portal", "two", "--json")[1])["portals"]["two"]["status"] == "left out"


@pytest.mark.parametrize(
    ("state", "told"),
    [("sqlite:///nowhere.db", "there is no store at"), ("memory:", "fetch is for a store that is kept")],
)
def test_without_a_store_it_is_used_wrongly(run: Run, state: str, told: str) -> None:
    """Nothing is made in a wrong place."""
    code, out, err = run("fetch", "--state", state)
    assert (code, out) == (2, "")
    assert told in err


def test_bar_shows_how_many_rows_are_read_and_is_gone_at_the_end(run: Run, site: Site) -> None:
    """On standard error, of as many as there are; what came of it is all that is left."""
    site.has_calls(1)
    run("fetch")
    site.has_calls(1 + MANY)
    command = ["/bin/sh", "-c", 'exec "$@" > told.txt', "sh", *badge_bridge("fetch")]
    with terminal(command, env={"PATH": "/usr/bin:/bin", **site.environ}, cwd=site.folder) as screen:
        assert screen.end() == 0, screen.text
    counts = [(int(done), int(of)) for done, of in re.findall(r"portal main: calls .*? (\d+)/(\d+) ", screen.text)]
    assert counts[-1] == (MANY, MANY)
    assert {of for _, of in counts} == {MANY}
    assert screen.left == ""
    assert f"{MANY:,} new" in (site.folder / "told.txt").read_text("utf-8")


def test_no_bar_is_written_where_nobody_looks(run: Run, site: Site) -> None:
    """A script or a log gets what came of it alone."""
    site.has_calls(1)
    run("fetch")
    site.has_calls(1 + MANY)
    done = subprocess.run(
        badge_bridge("fetch"),
        env={"PATH": "/usr/bin:/bin", **site.environ},
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith(f"portal main: {MANY:,} calls read")


def test_ctrl_c_loses_nothing(run: Run, site: Site) -> None:
    """The next one goes on where it was, at once, and every call is there once."""
    site.has_calls(1)
    run("fetch")
    site.has_calls(1 + MANY)
    site.rules(limits="{rate: 4, burst: 1}")
    with terminal(badge_bridge("fetch"), env={"PATH": "/usr/bin:/bin", **site.environ}, cwd=site.folder) as screen:
        screen.find(rf"portal main: calls .* (98|147)/{MANY}")
        screen.type("\x03")
        assert screen.end() == 130, screen.text
    assert "interrupted; what was read until then is kept" in screen.left
    kept = len(site.events())
    assert 98 <= kept < MANY
    site.rules()
    code, out, err = run("fetch")
    assert (code, err) == (0, "")
    assert 0 < int(re.findall(r"([\d,]+) new", out)[0].replace(",", "")) <= MANY - kept
    assert sorted(int(one.event.id.partition("-")[2]) for one in site.events()) == [*range(2, MANY + 2)]
