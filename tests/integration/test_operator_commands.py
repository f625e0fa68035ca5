"""`doctor`, `sync`, `clear`, `authorize` and `serve --ensure-badges`, as an operator runs them beside a sandbox portal."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from support.programs import Program, badge_bridge, program, until

pytestmark = pytest.mark.slow

ANNA = "+4917139200011"

RULES = """
portals:
  main:
    url: {portal}
    oauth: {{client_id: local.sandbox-application, client_secret: "${{CLIENT_SECRET}}", server: "{portal}"}}
sources:
  portal:
    provider: bitrix24
    public_url: {bridge}/hooks/portal
badges:
  missedCall: {{title: {{en: Call status, de: Anruf}}, value: {{en: Missed, de: Verpasst}}, type: failure}}
rules:
  - name: missed call
    on: call.missed
    badge: missedCall
    attach: {{}}
    clear: {{}}
"""


@dataclass
class Site:
    """A folder with a rules file, beside a running sandbox; commands run in it."""

    folder: Path
    portal: str
    environ: dict[str, str]

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        # Whoever runs the tests of another tree than the installed one says so by it.
        passed_on = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        env = {"PATH": "/usr/bin:/bin", "COLUMNS": "200", **passed_on, **self.environ, **environ}
        return subprocess.run(
            badge_bridge(*arguments),
            cwd=self.folder,
            env=env,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def doctor(self, **environ: str) -> tuple[int, dict[str, dict[str, dict[str, str]]]]:
        """The exit code, and the checks by group and name."""
        done = self.run("doctor", "--json", **environ)
        groups: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
        return done.returncode, {name: {one["name"]: one for one in checks} for name, checks in groups.items()}

    def control(self, name: str, order: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{self.portal}/_sandbox/{name}", json=order, trust_env=False, timeout=30)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.portal}/_sandbox/state", trust_env=False).raise_for_status().json()
        return found

    @contextmanager
    def process(self, *options: str) -> Iterator[tuple[Program, str]]:
        with program(
            badge_bridge("serve", "--port", "0", *options),
            env={**self.environ, "LOG_FORMAT": "json"},
            cwd=self.folder,
        ) as running:
            yield running, running.find(r"listening on (http://127\.0\.0\.1:\d+)")[1]

    @contextmanager
    def serve(self, *options: str) -> Iterator[str]:
        with self.process(*options) as (_, url):
            yield url

    def install(self, bridge: str) -> None:
        """Let the portal install the application that runs at `bridge`, and send calls there."""
        assert self.control("install", {"url": f"{bridge}/install"})["status"] == 200
        # The portal was told where to send its calls by a rules file that did not know this port yet.
        handlers = [{**one, "url": f"{bridge}/hooks/portal"} for one in self.state()["handlers"]]
        httpx.post(f"{self.portal}/_sandbox/seed", json={"handlers": handlers}, trust_env=False).raise_for_status()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with program(badge_bridge("sandbox", "--port", "0")) as running:
        portal = running.find(r"sandbox portal\s+(http://\S+)\n")[1]
        (tmp_path / "rules.yaml").write_text(RULES.format(portal=portal, bridge="http://127.0.0.1:8080"), "utf-8")
        yield Site(tmp_path, portal, {"CLIENT_SECRET": APPLICATION_SECRET, "ENCRYPTION_KEY": new_key()})


def test_doctor_says_what_to_do_until_all_is_well(site: Site) -> None:
    """First the missing key, then the missing installation, then the missing badge; at the end nothing."""
    code, found = site.doctor(ENCRYPTION_KEY="")
    assert code == 1
    assert found["bridge"]["ENCRYPTION_KEY"]["status"] == "failed"
    assert "badge-bridge key" in found["bridge"]["ENCRYPTION_KEY"]["mend"]
    code, found = site.doctor()
    assert code == 1
    assert "not installed" in found["portal main"]["credential"]["found"]
    assert "badge-bridge authorize main" in found["portal main"]["credential"]["mend"]
    assert "enters http://127.0.0.1:8080/install as its handler" in found["portal main"]["credential"]["mend"]
    assert found["portal main"]["badges"]["status"] == "skipped"
    assert not (site.folder / "badge-bridge.db").exists()
    with site.serve() as bridge:
        assert site.control("install", {"url": f"{bridge}/install"})["status"] == 200
        code, found = site.doctor()
        assert code == 0
        assert found["portal main"]["badges"]["found"] == "missing: bb_missedCall"
        assert site.run("sync", "--apply").returncode == 0
        code, found = site.doctor()
    assert code == 0
    statuses = {one["status"] for group in found.values() for one in group.values()}
    assert statuses == {"ok", "skipped"}
    assert found["portal main"]["certificate"]["status"] == "skipped"
    assert found["portal main"]["events"]["status"] == "ok"
    # An update of the application drops its handlers, and nobody hears of it.
    httpx.post(f"{site.portal}/_sandbox/seed", json={"handlers": []}, trust_env=False).raise_for_status()
    code, found = site.doctor()
    assert code == 1
    assert "ONVOXIMPLANTCALLEND" in found["portal main"]["events"]["found"]


def test_doctor_names_the_right_that_the_installing_user_lacks(site: Site) -> None:
    """Whoever let the application in may look badges up, but not add them."""
    with site.serve() as bridge:
        site.control("install", {"url": f"{bridge}/install"})
        users = [user if user["id"] != 1 else {**user, "admin": False, "crm": "user"} for user in site.state()["users"]]
        httpx.post(f"{site.portal}/_sandbox/seed", json={"users": users}, trust_env=False).raise_for_status()
        code, found = site.doctor()
    assert code == 1
    right = found["portal main"]["CRM administrator"]
    assert right["status"] == "failed"
    assert "CRM > Settings > Access permissions" in right["mend"]


def test_sync_adds_replaces_and_prunes_only_when_told(site: Site) -> None:
    """What differs is printed and makes the exit code 1; each kind of change has an option of its own."""
    with site.serve() as bridge:
        site.control("install", {"url": f"{bridge}/install"})
        theirs = [
            {"code": "bb_missedCall", "title": "Call status", "value": "Lost", "type": "warning"},
            {"code": "bb_old", "title": "o", "value": "o", "type": "primary"},
            {"code": "other_app", "title": "o", "value": "o", "type": "primary"},
        ]
        httpx.post(f"{site.portal}/_sandbox/seed", json={"badges": theirs}, trust_env=False).raise_for_status()
        told = site.run("sync")
        assert told.returncode == 1
        assert "bb_missedCall" in told.stdout
        assert "bb_old" in told.stdout
        assert "other_app" not in told.stdout
        assert len(site.state()["badges"]) == 3
        refused = site.run("sync", "--replace", "--prune")
        assert refused.returncode == 2
        assert "--yes" in refused.stderr
        assert site.run("sync", "--replace", "--prune", "--yes").returncode == 0
        assert site.run("sync").returncode == 0
    badges = {badge["code"]: badge["type"] for badge in site.state()["badges"]}
    assert badges == {"bb_missedCall": "failure", "other_app": "primary"}


def test_badges_are_there_at_the_start_when_serve_is_told_to_ensure_them(site: Site) -> None:
    """As an event does it: get, NOT_FOUND, add."""
    with site.serve() as bridge:
        site.control("install", {"url": f"{bridge}/install"})
    with site.serve("--ensure-badges"):
        until(lambda: site.state()["badges"], what="the badge")
    requests = httpx.get(f"{site.portal}/_sandbox/requests", trust_env=False).json()["requests"]
    # Whether the get travels alone or beside what else a start asks is chance; the add comes after its answer.
    asked = [name for one in requests for name in methods_in(one) if "badge" in name]
    assert asked == ["crm.activity.badge.get", "crm.activity.badge.add"]


def methods_in(request: dict[str, Any]) -> list[str]:
    if request["method"] != "batch":
        return [request["method"]]
    return [command["method"] for command in request["params"]["cmd"].values()]


def test_badge_is_taken_away_by_hand_when_the_customer_is_named(site: Site) -> None:
    """The activity is completed and the ledger knows it; a second time there is nothing to take away."""
    with site.serve() as bridge:
        site.install(bridge)
        site.control("calls", {"phone_number": ANNA})
        (badged,) = until(lambda: ours(site), what="the badge on the card")
        assert (badged["owner_id"], badged["completed"]) == (41, False)
        cleared = site.run("clear", "--phone", ANNA)
        assert cleared.returncode == 0, cleared.stderr
        assert f"activity {badged['id']} on deal 41 completed" in cleared.stdout
        assert ANNA not in cleared.stdout
        assert [one["completed"] for one in ours(site)] == [True]
        again = site.run("clear", "--phone", ANNA)
    assert again.returncode == 1
    assert "no open badge" in again.stderr


def test_sample_of_the_portal_is_signed_with_what_the_installation_has_left(site: Site) -> None:
    """Once the application is installed, its calls can be tried and explained; before, it is said what is missing."""
    with site.serve() as bridge:
        before = site.run("sign", "portal", "--to", bridge, "--send")
        assert before.returncode == 1
        assert "not known before the application is installed" in before.stderr
        site.install(bridge)
        sent = site.run("sign", "portal", "--to", f"{bridge}/hooks/portal", "--send")
        assert sent.stdout.startswith(f"200 from {bridge}/hooks/portal"), sent.stderr
        explained = site.run("explain", "portal", "--caller", ANNA)
    assert explained.returncode == 0, explained.stderr
    assert "verified   application token" in explained.stdout


def test_call_has_one_activity_when_the_process_is_killed_before_it_hears_that_it_was_added(site: Site) -> None:
    """The portal has carried out the add and never answers; kill -9, and another process takes over."""
    with site.process() as (running, bridge):
        site.install(bridge)
        site.control("faults", {"method": "crm.activity.configurable.add", "fault": "timeout-after-commit"})
        site.control("calls", {"phone_number": ANNA})
        (unheard,) = until(lambda: ours(site), what="an activity that nobody knows of")
        assert [event["state"] for event in events(site)] == ["working"]
        running.kill()
    with site.serve():
        until(lambda: [event["state"] for event in events(site)] == ["done"], what="an event that is done")
    assert [one["id"] for one in ours(site)] == [unheard["id"]]


def events(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.run("events", "list", "--json").stdout)
    return found


def ours(site: Site) -> list[dict[str, Any]]:
    return [one for one in site.state()["activities"] if one["originator_id"] == "badge-bridge"]


def test_authorize_link_lets_the_application_in_when_it_is_opened(site: Site) -> None:
    """The second way in: the browser comes back with a code, and the portal's calls are believed from then on."""
    with site.serve() as bridge:
        applications = [{**one, "handler": f"{bridge}/install"} for one in site.state()["applications"]]
        changed = {"applications": applications}
        httpx.post(f"{site.portal}/_sandbox/seed", json=changed, trust_env=False).raise_for_status()
        link = site.run("authorize").stdout.strip()
        page = httpx.get(link, follow_redirects=True, trust_env=False, timeout=30)
        assert page.status_code == 200
        assert "may now act in portal main" in page.text
        assert site.doctor()[1]["portal main"]["credential"]["status"] == "ok"
        again = httpx.get(str(page.url), trust_env=False, timeout=30)
        assert again.status_code == 401
