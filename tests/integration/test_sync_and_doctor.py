"""`sync` and `doctor` with an inbound webhook: questions, wrong use, portals and stores that do not answer."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from support.commands import Run, commands
from support.programs import badge_bridge, program

pytestmark = pytest.mark.slow

RULES = """
portals:
  main: {webhook: "${WEBHOOK}"}
sources:
  reception: {provider: twilio, secrets: ["${TOKEN}"], public_url: https://bridge.example.com/hooks/reception}
badges:
  missed: {title: Call, value: Missed, type: failure}
rules:
  - {name: missed, on: call.missed, badge: missed}
"""
ANOTHER = '  other: {webhook: "${OTHER}"}\nsources:\n  reception: {portal: main, '
BOTH = RULES.replace("sources:\n  reception: {", ANOTHER).replace(
    "badge: missed}", "badge: missed}\n  - {name: there, on: call.missed, badge: missed, portal: other}"
)

OLD = {"code": "bb_missed", "title": "Call", "value": "Lost", "type": "failure"}
UNUSED = {"code": "bb_old", "title": "o", "value": "o", "type": "primary"}
SHOULD_BE = {**OLD, "value": "Missed"}


class Sandbox:
    def __init__(self, url: str, webhook: str) -> None:
        self.url = url
        self.webhook = webhook

    def has(self, *badges: dict[str, str]) -> None:
        answer = httpx.post(f"{self.url}/_sandbox/seed", json={"badges": badges}, trust_env=False)
        answer.raise_for_status()

    def badges(self) -> list[dict[str, Any]]:
        found = httpx.get(f"{self.url}/_sandbox/state", trust_env=False).raise_for_status().json()["badges"]
        return [dict(badge) for badge in found]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with program(badge_bridge("sandbox", "--port", "0")) as running:
        url = running.find(r"sandbox portal\s+(http://\S+)\n")[1]
        webhook = running.find(r"(http://\S+/rest/1/\S+)")[1]
        yield Sandbox(url, webhook)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, sandbox: Sandbox
) -> Iterator[Run]:
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    with commands(monkeypatch, capsys, tmp_path, {"WEBHOOK": sandbox.webhook, "TOKEN": "0" * 32}) as run:
        yield run


def test_sync_asks_before_it_deletes_and_takes_no_for_an_answer(run: Run, sandbox: Sandbox) -> None:
    """What would be replaced and deleted is counted in the question; refused, it is exit code 1 and nothing changed."""
    sandbox.has(OLD, UNUSED)
    code, out, err = run("sync", "--replace", "--prune", typed="n\n")
    assert code == 1
    assert "'Missed' in the rules file, 'Lost' in the portal" in out
    assert "In portal main: replace 1 badge and delete 1 badge?" in err
    assert "Nothing was changed." in err
    assert sandbox.badges() == [OLD, UNUSED]


def test_sync_does_it_when_the_answer_is_yes(run: Run, sandbox: Sandbox) -> None:
    """Each badge has a line; afterwards both sides agree."""
    sandbox.has(OLD, UNUSED)
    code, out, _ = run("sync", "--replace", "--prune", typed="y\n")
    assert code == 0
    assert "✓ replaced bb_missed" in out
    assert "✓ deleted bb_old" in out
    assert sandbox.badges() == [SHOULD_BE]
    assert run("sync")[:2] == (0, "portal main 1 of 1 badge found as in the rules file\n")


@pytest.mark.usefixtures("run")
def test_sync_changes_nothing_when_the_question_is_answered_with_ctrl_c(sandbox: Sandbox) -> None:
    """It ends at once, so that a `y` that is typed after it comes too late."""
    sandbox.has(OLD, UNUSED)
    ours, theirs = pty.openpty()
    # The terminal must be the program's own, or Ctrl-C is a character like others.
    take_it = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", take_it, *badge_bridge("sync", "--replace", "--prune")]
    running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, b"\x03")
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.wait(1)
    with contextlib.suppress(OSError):
        os.write(ours, b"y\n")
    try:
        assert running.wait(20) == 130
    finally:
        running.kill()
        os.close(ours)
    assert sandbox.badges() == [OLD, UNUSED]


def test_sync_does_nothing_when_the_badges_have_changed_while_it_asked(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is deleted is what was shown, and nothing else."""
    sandbox.has(OLD)

    def somebody_is_quicker(*_: Any, **__: Any) -> bool:
        sandbox.has(OLD, UNUSED)
        return True

    monkeypatch.setattr(typer, "confirm", somebody_is_quicker)
    code, _, err = run("sync", "--replace", "--prune", typed="")
    assert code == 1
    assert "its badges have changed meanwhile, so nothing was done" in err
    assert sandbox.badges() == [OLD, UNUSED]


def test_sync_does_not_ask_when_nothing_would_be_deleted(run: Run, sandbox: Sandbox) -> None:
    """There is no question about nothing, and none about adding."""
    sandbox.has()
    code, out, err = run("sync", "--apply", "--replace", "--prune", typed="")
    assert (code, err) == (0, "")
    assert "✓ added bb_missed" in out


def test_sync_without_an_option_says_which_there_are(run: Run, sandbox: Sandbox) -> None:
    """Differences are exit code 1, and nothing is changed."""
    sandbox.has()
    code, out, _ = run("sync")
    assert code == 1
    assert "bb_missed  missing" in out
    assert "--apply adds" in out
    assert sandbox.badges() == []


def test_sync_ends_with_1_while_something_is_left(run: Run, sandbox: Sandbox) -> None:
    """Adding what is missing settles neither what is different nor what is unused, and the way to do it is told."""
    sandbox.has(UNUSED)
    code, out, _ = run("sync", "--apply")
    assert code == 1
    assert "✓ added bb_missed" in out
    assert "--prune deletes what is unused" in out
    code, out, _ = run("sync", "--prune", "--yes")
    assert (code, "--apply adds" in out) == (0, False)


def test_sync_prints_json_alone_while_it_asks(run: Run, sandbox: Sandbox) -> None:
    """The plan and the question are on standard error, what was found and done on standard output."""
    sandbox.has(OLD, UNUSED)
    code, out, err = run("sync", "--replace", "--json", typed="y\n")
    assert code == 1, "one is still unused"
    assert "bb_missed" in err
    said = json.loads(out)["main"]
    assert said["different"][0]["differences"] == [{"field": "value", "wanted": "Missed", "found": "Lost"}]
    assert said["unused"] == [UNUSED]
    assert said["done"] == [{"code": "bb_missed", "action": "replace", "done": True, "told": ""}]


def test_sync_goes_on_with_the_other_portal_when_one_does_not_answer(
    run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silent one is told and makes the exit code 1; its secret is not shown."""
    sandbox.has(SHOULD_BE)
    (tmp_path / "rules.yaml").write_text(BOTH, "utf-8")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTHER", f"http://127.0.0.1:{held.getsockname()[1]}/rest/1/abcdefabcdefabcd/")
        code, out, err = run("sync", "--json")
    assert code == 1
    said = json.loads(out)
    assert said["main"]["same"] == ["bb_missed"]
    assert set(said["other"]) == {"error"}
    assert "portal other" in err
    assert "abcdefabcdefabcd" not in out + err


@pytest.mark.parametrize("command", ["sync", "doctor"])
def test_log_tells_of_no_pause_when_it_is_the_commands_own(run: Run, sandbox: Sandbox, command: str) -> None:
    """A portal that is over its limit pauses nothing of `serve` for being asked; what it answered is in the report."""
    fault = {"method": "*", "fault": "OVERLOAD_LIMIT", "times": 1000}
    httpx.post(f"{sandbox.url}/_sandbox/faults", json=fault, trust_env=False).raise_for_status()
    try:
        code, out, err = run(command)
    finally:
        httpx.delete(f"{sandbox.url}/_sandbox/faults", trust_env=False).raise_for_status()
    assert (code, "OVERLOAD_LIMIT" in out + err) == (1, True)
    assert "paused for" not in err


@pytest.mark.parametrize("command", ["sync", "doctor"])
def test_a_portal_that_the_file_does_not_have_is_wrong_use(run: Run, command: str) -> None:
    """Those that it has are named."""
    code, _, err = run(command, "--portal", "mian")
    assert code == 2
    assert "has no portal 'mian'; did you mean main?" in err


def test_doctor_prints_what_is_well_and_what_is_not(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong webhook fails in its line, with the click that mends it, and is not shown."""
    sandbox.has(SHOULD_BE)
    code, out, _ = run("doctor")
    assert code == 0
    assert out.splitlines()[-1] == "All is well."
    secret = sandbox.webhook.rstrip("/").rsplit("/", 1)[1]
    assert secret not in out
    monkeypatch.setenv("WEBHOOK", sandbox.webhook.replace(secret, "wrongwrongwrong1"))
    code, out, _ = run("doctor")
    assert code == 1
    assert "✗  credential" in out
    assert "Developer resources" in " ".join(out.split())
    assert out.splitlines()[-1] == "1 failed, warnings: 0."
    assert "wrongwrongwrong1" not in out


def test_doctor_changes_nothing_in_the_portal(run: Run, sandbox: Sandbox) -> None:
    """A missing badge and one too many stay as they are, and no store is made."""
    sandbox.has(UNUSED)
    assert run("doctor")[0] == 0
    assert sandbox.badges() == [UNUSED]
    assert not Path("badge-bridge.db").exists()


def test_doctor_looks_at_the_portal_though_the_store_is_broken(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    """A webhook needs no store, so that one trouble does not hide the other."""
    sandbox.has()
    (tmp_path / "state.db").write_text("this is not a database, however long it may be, and it never was one")
    code, out, _ = run("doctor", "--json", "--state", "sqlite:///state.db")
    assert code == 1
    groups = {name: {one["name"]: one for one in checks} for name, checks in json.loads(out).items()}
    assert groups["bridge"]["store"]["status"] == "failed"
    assert f"free in {tmp_path}, where the store is" in groups["bridge"]["disk"]["found"]
    assert groups["portal main"]["badges"]["found"] == "missing: bb_missed"


def test_doctor_skips_an_application_whose_store_is_broken(
    run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens are in there; it says which check is in the way."""
    oauth = f'{{url: "{sandbox.url}", oauth: {{client_id: local.1, client_secret: "${{SECRET}}"}}}}'
    (tmp_path / "rules.yaml").write_text(RULES.replace('{webhook: "${WEBHOOK}"}', oauth), "utf-8")
    (tmp_path / "state.db").write_text("this is not a database, however long it may be, and it never was one")
    monkeypatch.setenv("SECRET", "cl13nts3cr3tw0rd")
    monkeypatch.setenv("ENCRYPTION_KEY", "YSBrZXkgb2YgdGhlIHRlc3RzLCBvZiAzMiBieXRlcyE=")
    code, out, _ = run("doctor", "--json", "--state", "sqlite:///state.db")
    assert code == 1
    (check,) = json.loads(out)["portal main"]
    assert check["found"] == "not looked at, since store failed"


def test_a_wrong_path_of_the_store_is_told_when_an_application_needs_it(
    run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens are elsewhere, so that it only looks as if it was not installed; a webhook does without a store."""
    assert run("sync", "--state", "sqlite:///elsewhere.db")[0] in {0, 1}
    oauth = f'{{url: "{sandbox.url}", oauth: {{client_id: local.1, client_secret: "${{SECRET}}"}}}}'
    (tmp_path / "rules.yaml").write_text(RULES.replace('{webhook: "${WEBHOOK}"}', oauth), "utf-8")
    monkeypatch.setenv("SECRET", "cl13nts3cr3tw0rd")
    monkeypatch.setenv("ENCRYPTION_KEY", "YSBrZXkgb2YgdGhlIHRlc3RzLCBvZiAzMiBieXRlcyE=")
    for command in (["sync"], ["clear", "--phone", "+4930901820"]):
        code, _, err = run(*command, "--state", "sqlite:///elsewhere.db")
        assert code == 2
        assert f"there is no store at {tmp_path}/elsewhere.db; say with --state or STATE" in err
    code, out, _ = run("doctor", "--json", "--state", "sqlite:///elsewhere.db")
    assert code == 1
    checks = {one["name"]: one for one in json.loads(out)["portal main"]}
    assert checks["credential"]["found"].startswith(f"there is no store at {tmp_path}/elsewhere.db")
    assert "say with --state or STATE" in checks["credential"]["mend"]
    assert not (tmp_path / "elsewhere.db").exists()


def test_doctor_ends_with_this_machine_when_secrets_are_not_set(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them no portal can be asked; the store is looked at all the same."""
    monkeypatch.delenv("WEBHOOK")
    code, out, _ = run("doctor", "--json")
    assert code == 1
    groups = json.loads(out)
    assert list(groups) == ["bridge"]
    assert [(one["name"], one["status"]) for one in groups["bridge"]] == [
        ("rules file", "ok"),
        ("secrets", "failed"),
        ("store", "ok"),
        ("disk", "ok"),
    ]
    assert "WEBHOOK" in groups["bridge"][1]["found"]
