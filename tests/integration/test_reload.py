"""Other rules while `badge-bridge serve` runs, as a process: its file edited, its signals, its answers meanwhile."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.deliveries import RULES, pbx, twilio
from support.google import FakeGoogle
from support.programs import DEADLINE, ROOT, Program, badge_bridge, sandbox, send, serve, serving_environ, until

pytestmark = pytest.mark.slow

PORTAL = "http://127.0.0.1:9/rest/1/secretsecret/"
"""Nobody listens there."""

OTHER_BADGE = RULES.replace("badge: missedCall", "badge: paid")
SHOP = re.compile(r"  shop:\n(    .*\n)+")
ORDERS = re.compile(r"  - name: big order\n(    .*\n)+")
WITHOUT_SHOP = ORDERS.sub("", SHOP.sub("", RULES))
LATE = """
  late:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${PBX_TOKEN}"]
    event: {type: body.type, id: body.id}
badges:"""


LEADING = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGHUP, {hangup}); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes the terminal that the program is given the one that it belongs to, as a login does, and runs it."""


def told(call: str) -> bytes:
    return json.dumps({"type": "call.missed", "id": call}).encode()


def replaced(file: Path, text: str) -> None:
    """As an editor does it: another file in the place of the old one."""
    other = file.with_name(".rules.yaml.swp")
    other.write_text(text, "utf-8")
    other.replace(file)


def admin_of(running: Program) -> str:
    return running.find(r"operators find /metrics and /console at (http://[^;]+);")[1]


def reloads(admin: str) -> dict[str, float]:
    """How often the rules were read again, by what came of it."""
    page = httpx.get(f"{admin}/metrics", trust_env=False, timeout=10).raise_for_status().text
    samples = [one for family in text_string_to_metric_families(page) for one in family.samples]
    return {one.labels["result"]: one.value for one in samples if one.name == "badge_bridge_rules_reloads_total"} | {
        "hash of " + one.labels["rules_hash"]: one.value for one in samples if one.name == "badge_bridge_build_info"
    }


class Load:
    """Deliveries one after another, in a thread, until it is told to stop; each must be answered with 204."""

    def __init__(self, url: str) -> None:
        self.answers: list[int] = []
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not self._stop.wait(0.01) and len(self.answers) < 10_000:
                sent = pbx(told(f"call-{len(self.answers)}"))
                answer = client.post(self._url + sent.path, content=sent.body, headers=sent.headers)
                self.answers.append(answer.status_code)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(DEADLINE)

    def more(self, number: int) -> None:
        """Return when so many more were answered."""
        goal = len(self.answers) + number
        until(lambda: len(self.answers) >= goal, what=f"{number} more deliveries that are answered")


@contextmanager
def at_terminal(
    command: Sequence[str], folder: Path, *, ignoring: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[str], str], Callable[[], None]]]:
    """A program at a terminal of its own: with it, what reads its screen up to a word, and what closes the terminal."""
    ours, theirs = pty.openpty()
    is_open = True

    def hang_up() -> None:
        nonlocal is_open
        if is_open:
            is_open = False
            os.close(ours)

    def read(word: str) -> str:
        screen, end = "", time.monotonic() + DEADLINE
        while word not in screen and time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                screen += os.read(ours, 65_536).decode()
        assert word in screen, screen
        return screen

    # A session leader's first terminal is the one that hangs it up.
    leading = [sys.executable, "-c", LEADING.format(hangup="signal.SIG_IGN" if ignoring else "signal.SIG_DFL")]
    process = subprocess.Popen(
        [*leading, *command],
        env={**os.environ, "COLUMNS": "200", **serving_environ(folder, PORTAL), "LOG_FORMAT": "console"},
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield process, read, hang_up
    finally:
        process.terminate()
        hang_up()
        process.wait(DEADLINE)


def test_no_delivery_is_lost_when_the_file_is_edited_under_load(tmp_path: Path) -> None:
    """Each is answered with 204 and ends as done, the ones before with the old badge and the ones after with the new;
    the metrics tell the hash in use.
    """
    file = tmp_path / "rules.yaml"
    with sandbox() as (portal, webhook), serve(tmp_path, webhook) as (running, url):
        admin = admin_of(running)
        before = running.find(r"rules ([0-9a-f]{16})")[1]
        with Load(url) as load:
            load.more(20)
            for times, text in enumerate((OTHER_BADGE, RULES, OTHER_BADGE), start=1):
                replaced(file, text)
                running.find(rf"(?:rules reloaded[\s\S]*){{{times}}}")
                load.more(20)
        assert set(load.answers) == {204}
        until(lambda: unfinished(admin) == 0, what="events that have all ended")
        page = reloads(admin)
        assert (page["reloaded"], page["refused"]) == (3, 0)
        assert f"hash of {before}" not in page
        state = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()
        assert {badge["code"] for badge in state["badges"]} == {"bb_missedCall", "bb_paid"}
        assert running.stop() == 0
        log = running.drain()
    assert "Traceback" not in log
    ended = [line for line in log.splitlines() if '"kind":"event"' in line]
    lines = [json.loads(line) for line in ended]
    assert len(lines) == len(load.answers)
    assert {(line["state"], line["attempt"]) for line in lines} == {("done", 1)}
    assert len({line["rules_hash"] for line in lines}) == 2


def unfinished(admin: str) -> float:
    page = httpx.get(f"{admin}/metrics", trust_env=False, timeout=10).raise_for_status().text
    samples = [one for family in text_string_to_metric_families(page) for one in family.samples]
    return sum(
        one.value
        for one in samples
        if one.name == "badge_bridge_events" and one.labels["state"] in {"waiting", "working"}
    )


def test_old_rules_stay_when_the_file_is_broken(tmp_path: Path) -> None:
    """The log has each mistake with its place, the operators' probe tells them and is well, the metrics count; and the
    mended file is taken up.
    """
    file = tmp_path / "rules.yaml"
    broken = RULES.replace("badge: missedCall", "badge: misedCall").replace("data.total", "data.total +")
    with serve(tmp_path, PORTAL) as (running, url):
        admin = admin_of(running)
        replaced(file, broken)
        line = json.loads(running.find(r".*was not taken up.*")[0])
        assert [one.rpartition("rules.yaml:")[2][:3] for one in line["findings"]] == ["37:", "41:"]
        assert "check" in line["message"]
        probe = httpx.get(f"{admin}/readyz", trust_env=False)
        assert probe.status_code == 200
        assert probe.json()["notes"] == [f"rules of before in use: {finding}" for finding in line["findings"]]
        assert httpx.get(f"{url}/readyz", trust_env=False).json() == {"status": "ok"}
        assert send(url, pbx(told("meanwhile"))).status_code == 204
        assert reloads(admin)["refused"] == 1
        replaced(file, OTHER_BADGE)
        running.find("rules reloaded.*changed rule missed call")
        assert httpx.get(f"{admin}/readyz", trust_env=False).json()["notes"] == []


def test_rules_are_read_again_on_sighup(tmp_path: Path) -> None:
    """Even where nothing has changed, and then that is said."""
    with serve(tmp_path, PORTAL) as (running, _):
        admin = admin_of(running)
        running.process.send_signal(signal.SIGHUP)
        running.find("are those that are in use")
        assert reloads(admin)["unchanged"] == 1
        assert running.stop() == 0


def test_rules_are_taken_up_when_a_link_on_the_way_to_them_is_swapped(tmp_path: Path) -> None:
    """As Kubernetes updates a mounted ConfigMap."""
    for name, text in (("..1", RULES), ("..2", OTHER_BADGE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.yaml").write_text(text, "utf-8")
    (tmp_path / "..data").symlink_to("..1")
    file = tmp_path / "mounted.yaml"
    file.symlink_to("..data/rules.yaml")
    with serve(tmp_path, PORTAL, options=["--rules", str(file)]) as (running, _):
        (tmp_path / "..tmp").symlink_to("..2")
        (tmp_path / "..tmp").rename(tmp_path / "..data")
        running.find("rules reloaded.*changed rule missed call")


def test_sources_come_and_go_with_the_file(tmp_path: Path) -> None:
    """One that was added takes deliveries, one that was removed answers 404, and the others go on."""
    with serve(tmp_path, PORTAL) as (running, url):
        late = replace(pbx(told("late")), path="/hooks/late")
        assert send(url, late).status_code == 404
        replaced(tmp_path / "rules.yaml", WITHOUT_SHOP.replace("\nbadges:", LATE))
        running.find("rules reloaded.*added source late; removed source shop, rule big order")
        assert send(url, late).status_code == 204
        assert httpx.post(f"{url}/hooks/shop", trust_env=False).status_code == 404
        assert send(url, pbx(told("1"))).status_code == 204


def test_portal_is_another_one_when_the_file_says_so(tmp_path: Path) -> None:
    """What waits for a portal that nobody reaches gets its badge in the one that takes its place."""
    with sandbox() as (portal, webhook), serve(tmp_path, PORTAL, OTHER=webhook) as (running, url):
        assert send(url, pbx(told("1"))).status_code == 204
        running.find("lane main is paused")
        replaced(tmp_path / "rules.yaml", RULES.replace("${WEBHOOK}", "${OTHER}"))
        running.find("rules reloaded.*changed portal main")
        running.find(r"call\.missed.*done")
        state = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()
        assert "bb_missedCall" in {badge["code"] for badge in state["badges"]}
        assert running.stop() == 0
        log = running.drain()
    assert webhook.rstrip("/").rpartition("/")[2] not in log


@pytest.mark.parametrize("ignoring", [False, True])
def test_serve_ends_with_the_terminal_that_it_was_started_in(tmp_path: Path, *, ignoring: bool) -> None:
    """SIGHUP is what a closed terminal sends, too; it is nothing to who was told to outlive it (`nohup`)."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    command = badge_bridge("serve", "--rules", str(tmp_path / "rules.yaml"), "--port", "0", "--admin", "off")
    with at_terminal(command, tmp_path, ignoring=ignoring) as (process, read, hang_up):
        # To the end of the block: who writes to a terminal that is gone fails for another reason.
        assert re.search(r"takes deliveries at http://127\.0\.0\.1:\d+", read("no console and no metrics"))
        hang_up()
        if not ignoring:
            # It has just begun, and may not have come to where it takes SIGTERM for a wish.
            assert process.wait(DEADLINE) in {0, -signal.SIGTERM}
        else:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)


def test_serve_counts_what_is_probably_not_meant_in_the_rules_when_it_starts(tmp_path: Path) -> None:
    """And names the command that shows it."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("badges:\n", "badges:\n  spare: {title: t, value: v, type: primary}\n"), "utf-8")
    command = badge_bridge("serve", "--rules", str(path), "--port", "0", "--admin", "off")
    with at_terminal(command, tmp_path, ignoring=False) as (process, read, hang_up):
        said = " ".join(read("badge-bridge check").split())
        assert f"{path} has 1 warning about what is probably not meant" in said
        hang_up()
        process.wait(DEADLINE)


def test_rules_and_secrets_at_google_are_read_anew_on_sighup(tmp_path: Path) -> None:
    """A new version of a secret is good from then on, and is masked in the log; a new object is taken up."""
    old, new = "1" * 32, "2" * 32
    google = FakeGoogle()
    google.objects["acme-rules", "rules.yaml"] = RULES.replace('"${TWILIO_TOKEN}"', '"sm://twilio"').encode()
    google.add("twilio", old)
    with google.served() as address:
        env = {
            "GOOGLE_CLOUD_PROJECT": "acme",
            "STORAGE_EMULATOR_HOST": f"http://{address}",
            "SECRET_MANAGER_EMULATOR_HOST": address,
        }
        options = ["--rules", "gs://acme-rules/rules.yaml"]
        with serve(tmp_path, PORTAL, options=options, **env) as (running, url):
            assert send(url, twilio("CA1", token=old)).status_code == 200
            assert send(url, twilio("CA2", token=new)).status_code == 401
            google.add("twilio", new)
            running.process.send_signal(signal.SIGHUP)
            running.find("rules reloaded.*changed source reception")
            assert send(url, twilio("CA2", token=new)).status_code == 200
            google.objects["acme-rules", "rules.yaml"] = OTHER_BADGE.encode()
            running.process.send_signal(signal.SIGHUP)
            running.find("rules reloaded.*changed source reception, rule missed call")
            google.down = True
            running.process.send_signal(signal.SIGHUP)
            running.find("was not taken up.*UNAVAILABLE")
            assert running.stop() == 0
            log = running.drain()
    assert old not in log
    assert new not in log
