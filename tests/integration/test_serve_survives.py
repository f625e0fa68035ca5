"""`badge-bridge serve` as a process: killed, restarted, traced, started wrongly."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Callable
from itertools import count
from pathlib import Path

import httpx
import pytest

from support.deliveries import RULES, Sent, environ, pbx, shop, twilio
from support.programs import (
    badge_bridge,
    free_port,
    functions_framework,
    health,
    program,
    sandbox,
    send,
    serve,
    serving_environ,
    until,
)

pytestmark = pytest.mark.slow


def order_fault(portal: str, method: str, fault: str, times: int) -> None:
    httpx.post(
        f"{portal}/_sandbox/faults", json={"method": method, "fault": fault, "times": times}, trust_env=False
    ).raise_for_status()


def finished(folder: Path) -> dict[str, str]:
    """State by call of all stored events, read by the command line beside the running server."""
    with program(
        badge_bridge("events", "list", "--limit", "1000", "--json"),
        env={"STATE": f"sqlite:///{folder / 'state.db'}"},
    ) as running:
        assert running.process.wait(30) == 0
        rows = json.loads(running.drain())
    return {row["key"]: row["state"] for row in rows}


def test_nothing_is_lost_when_the_process_is_killed_right_after_the_answer(tmp_path: Path) -> None:
    """Every event that was answered with 2xx is done after kill -9 and a restart, and the badge is there once."""
    with sandbox() as (portal, webhook):
        order_fault(portal, "*", "timeout-before", 1000)
        with serve(tmp_path, webhook) as (running, url):
            for number in range(20):
                told = json.dumps({"type": "call.missed", "id": f"call-{number}"}).encode()
                assert send(url, pbx(told)).status_code == 204
            running.kill()
        httpx.delete(f"{portal}/_sandbox/faults", trust_env=False).raise_for_status()
        with serve(tmp_path, webhook):

            def all_done() -> bool:
                states = finished(tmp_path)
                assert len(states) == 20
                return set(states.values()) == {"done"}

            until(all_done, what="20 events that are done")
        state = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()
        assert [badge["code"] for badge in state["badges"]].count("bb_missedCall") == 1


def test_answer_is_written_after_the_log_is_on_disk(tmp_path: Path, optional_program: Callable[[str], str]) -> None:
    """A trace shows for each delivery: written to the write-ahead log, the log synced, and only then the 2xx."""
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg"
    # -D: strace runs beside the server and not as its parent, so that signals reach the server.
    wrap = [optional_program("strace"), "-D", "-f", "-yy", "-s5000", "-e", calls, "-o", str(trace)]
    messages = [f"msg_{number}_of_five" for number in range(5)]
    with sandbox() as (_, webhook), serve(tmp_path, webhook, wrap=wrap) as (running, url):
        for message in messages:
            assert send(url, shop(message, {"status": "new", "phone": "1"})).status_code == 204
        pid = running.process.pid
        assert running.stop() == 0
        ended = re.compile(rf"^{pid} +\+\+\+ exited", re.MULTILINE)
        until(lambda: ended.search(trace.read_text("utf-8", errors="replace")), what="the end of the trace")
    lines = trace.read_text("utf-8", errors="replace").splitlines()
    answers = [number for number, line in enumerate(lines) if "HTTP/1.1 204" in line]
    assert len(answers) == len(messages)
    for message, answered in zip(messages, answers, strict=True):
        assert written_and_synced(lines[:answered], message), f"{message} was answered before it was on disk"


def written_and_synced(lines: list[str], message: str) -> bool:
    """Whether the log was synced, and the sync had returned, after the message was first written to it."""
    written = False
    syncing: set[str] = set()
    for line in lines:
        thread = line.split()[0]
        written = written or ("pwrite64" in line and "-wal>" in line and message in line)
        if written and re.search(r"f(data)?sync\(\d+<[^>]*-wal>", line):
            syncing.add(thread)
        if thread in syncing and re.search(r"f(data)?sync.*= 0$", line):
            return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_cleanly_when_asked(tmp_path: Path, number: int) -> None:
    """SIGTERM and Ctrl-C end the server with exit code 0 and without a traceback."""
    with sandbox() as (_, webhook), serve(tmp_path, webhook) as (running, url):
        assert send(url, twilio("CA1")).status_code == 200
        assert running.stop(number) == 0
        assert "Traceback" not in running.drain()


def test_serve_ends_cleanly_when_asked_as_soon_as_it_answers(tmp_path: Path) -> None:
    """What is told of its start comes later, and whoever ends it need not wait for that."""
    port, admin = free_port(), free_port()
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    command = badge_bridge("serve", "--rules", str(tmp_path / "rules.yaml"), "--port", str(port))
    env = serving_environ(tmp_path, "http://127.0.0.1:9/rest/1/secretsecret/") | {"ADMIN": f"127.0.0.1:{admin}"}
    with program(command, env=env) as running:
        until(lambda: health(f"http://127.0.0.1:{admin}"), what="an answer")
        assert running.stop() == 0
        assert '"stopping"' in running.drain()
    assert not (tmp_path / "state.db-wal").exists()


def test_function_ends_when_asked(tmp_path: Path) -> None:
    """The functions framework can stop the process although the bridge has threads of its own."""
    with sandbox() as (_, webhook), functions_framework(tmp_path, webhook) as (running, url):
        assert send(url, twilio("CA1")).status_code == 200
        running.stop()
        assert "Traceback" not in running.drain()


def test_delivery_is_refused_when_the_store_was_removed(tmp_path: Path) -> None:
    """Without its file nothing that is answered with 2xx would outlive the process, so within a second nothing is."""
    with serve(tmp_path, "http://127.0.0.1:9/rest/1/secretsecret/") as (running, url):
        assert send(url, twilio("CA1")).status_code == 200
        for file in tmp_path.glob("state.db*"):
            file.unlink()
        calls = (f"CA{number}" for number in count(2))
        until(lambda: send(url, twilio(next(calls))).status_code == 503, what="a delivery that is refused")
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 503
        running.find("is not there any more; end what has it open")
        assert running.stop() == 0
        assert "Traceback" not in running.drain()
    assert not list(tmp_path.glob("state.db*"))


def refused(folder: Path, *arguments: str, rules: str = RULES, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and output of a `serve` that cannot start."""
    file = folder / "rules.yaml"
    file.write_text(rules, "utf-8")
    full = serving_environ(folder, "http://127.0.0.1:9/rest/1/secretsecret/") if env is None else env
    with program(badge_bridge("serve", "--rules", str(file), "--port", "0", *arguments), env=full) as running:
        return running.process.wait(30), running.drain()


def test_taken_port_is_named(tmp_path: Path) -> None:
    """A port that another program has is a sentence and not a traceback."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        code, text = refused(tmp_path, "--port", str(sock.getsockname()[1]))
    assert code == 2
    assert "is taken by another program" in text
    assert "Traceback" not in text


def test_unset_secret_is_named(tmp_path: Path) -> None:
    """A missing environment variable is named with its place in the rules file."""
    env = {**environ("http://127.0.0.1:9/rest/1/secretsecret/"), "TWILIO_TOKEN": ""}
    code, text = refused(tmp_path, env=env)
    assert code == 1
    assert re.search(r"rules\.yaml:8:\d+: .*TWILIO_TOKEN", text)
    assert "Traceback" not in text


def test_missing_rules_file_is_named(tmp_path: Path) -> None:
    """A rules file that is not there is a sentence."""
    with program(badge_bridge("serve", "--rules", str(tmp_path / "none.yaml"))) as running:
        assert running.process.wait(30) == 1
        text = running.drain()
    assert "none.yaml" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("state", ["postgres://x", "sqlite:////nowhere/at/all/state.db"])
def test_store_that_cannot_be_opened_is_explained(tmp_path: Path, state: str) -> None:
    """A store that cannot be used stops the start with a sentence."""
    code, text = refused(tmp_path, "--state", state)
    assert code in {1, 2}
    assert "Traceback" not in text


def test_function_answers_503_when_it_cannot_start(tmp_path: Path) -> None:
    """A function with a broken rules file asks its senders to come back, and says in the log what is wrong."""
    with functions_framework(tmp_path, "http://127.0.0.1:9/", rules="rules: 7\n", status=503) as (running, url):
        assert send(url, Sent("/hooks/shop", b"{}")).status_code == 503
        line = json.loads(running.find(r"\{.*cannot start.*\}")[0])
        assert line["level"] == "CRITICAL"
        assert all("rules.yaml:1:" in finding for finding in line["findings"])
