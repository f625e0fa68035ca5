"""The pages of `serve` for its operators, over real sockets: where they are, and where they are not."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.attacker import flood
from support.deliveries import RULES, pbx
from support.operators import entrance
from support.programs import ROOT, Program, badge_bridge, program, send, serve, serving_environ

pytestmark = pytest.mark.slow

PORTAL = "http://127.0.0.1:9/rest/1/secretsecret/"
"""Nobody listens there."""

PAGES = ["/metrics", "/console", "/console/enter", "/console/api/v1/events.json"]


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False, timeout=10)


def admin_of(running: Program) -> str:
    return running.find(r"operators find /metrics and /console at (http://[^;]+);")[1]


def link(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run("console", *options, folder=folder)


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        badge_bridge(*words),
        env={**os.environ, **serving_environ(folder, PORTAL)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Program, str, str]]:
    """Where the store is, the process, the address for deliveries, and the one for operators."""
    folder = tmp_path_factory.mktemp("served")
    with serve(folder, PORTAL) as (running, url):
        yield folder, running, url, admin_of(running)


Served = tuple[Path, Program, str, str]


@pytest.mark.parametrize("path", PAGES)
def test_listener_of_the_deliveries_has_no_page_for_operators(served: Served, path: str) -> None:
    """What is open to the world shows neither console nor metrics."""
    assert get(served[2] + path).status_code == 404


def test_log_names_the_operators_listener_when_that_is_full(tmp_path: Path) -> None:
    """It has fewer connections than that of the deliveries, which goes on meanwhile."""
    with serve(tmp_path, PORTAL) as (running, url), flood(admin_of(running), [b"GET / HTTP/1.1\r\n"] * 70):
        running.find("the listener for operators is full: ended the connection that had waited longest")
        assert send(url, pbx(b'{"type": "call.missed", "id": "1"}')).status_code == 204
        assert "the listener for deliveries" not in running.output


def test_bare_address_of_the_operators_listener_leads_to_the_console(served: Served) -> None:
    """Who types host and port finds it; nothing else is answered there, and nothing on the listener of the deliveries."""
    answer = get(f"{served[3]}/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert httpx.post(f"{served[3]}/", trust_env=False).status_code == 404
    assert get(f"{served[2]}/").status_code == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/health"])
def test_probe_gives_reasons_to_operators_alone(served: Served, path: str) -> None:
    """A balancer in front hears whether it is well, and a supervisor beside it what was looked at."""
    world, operator = get(served[2] + path), get(served[3] + path)
    assert (world.status_code, world.json()) == (200, {"status": "ok"})
    assert (operator.status_code, operator.json()["status"]) == (200, "ok")
    assert set(operator.json()["checks"].values()) == {"ok"}


def test_operator_gets_in_when_he_follows_the_link_of_the_command(served: Served) -> None:
    """The command beside a running `serve` prints a link that is good once and shows what is stored."""
    folder, running, url, admin = served
    assert send(url, pbx(b'{"type": "call.missed", "id": "seen"}')).status_code == 204
    assert get(f"{admin}/console/api/v1/events.json").status_code == 401
    done = link(folder)
    assert done.returncode == 0, done.stderr
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        home = browser.post(**entrance(done.stdout.strip()))
        assert (home.status_code, str(home.url)) == (200, f"{admin}/console")
        events = browser.get(f"{admin}/console/api/v1/events.json").json()["events"]
        assert [event["source"] for event in events] == ["pbx"]
    assert httpx.post(**entrance(done.stdout.strip()), trust_env=False).status_code == 401
    running.find("somebody has followed a link into the console")
    assert "ticket" not in running.output


def test_there_is_no_link_when_no_serve_has_the_store_open(tmp_path: Path) -> None:
    """Nobody would take it. A backup is no store of a serve either, and stays as it was made."""
    backup = tmp_path / "backups" / "night.db"
    backup.parent.mkdir()
    with serve(tmp_path, PORTAL) as (running, _):
        assert run("backup", str(backup), folder=tmp_path).returncode == 0
        before = backup.read_bytes()
        of_backup = link(tmp_path, "--state", f"sqlite:///{backup}")
        assert link(tmp_path).returncode == 0
        assert running.stop() == 0
    of_stopped = link(tmp_path)
    for done, file in ((of_backup, backup), (of_stopped, tmp_path / "state.db")):
        assert (done.returncode, done.stdout) == (1, "")
        assert f"no serve has this store open: {file}" in done.stderr
    assert backup.read_bytes() == before
    assert [file.name for file in backup.parent.iterdir()] == ["night.db"]


@pytest.mark.parametrize("options", [[], ["--admin", "off"]])
def test_link_leads_to_the_serve_that_runs_when_another_has_come_and_gone(tmp_path: Path, options: list[str]) -> None:
    """Whether the second one had a console or not, and whether it was ended or killed."""
    with serve(tmp_path, PORTAL) as (running, _):
        first = admin_of(running)
        with serve(tmp_path, PORTAL, options=options) as (other, _):
            assert other.stop() == 0
        assert link(tmp_path).stdout.startswith(f"{first}/console/")
        with serve(tmp_path, PORTAL, options=options) as (other, _):
            other.kill()
            other.process.wait(10)
        assert link(tmp_path).stdout.startswith(f"{first}/console/")


def test_pages_are_beside_the_deliveries_when_set_so(tmp_path: Path) -> None:
    """`--admin same` needs no second port, and the session is asked for all the same."""
    with serve(tmp_path, PORTAL, options=["--admin", "same"]) as (running, url):
        assert admin_of(running) == url
        assert get(f"{url}/console").status_code == 401
        assert get(f"{url}/readyz").json() == {"status": "ok"}
        assert "badge_bridge_build_info" in get(f"{url}/metrics").text
        running.find("set METRICS_TOKEN")
        assert send(url, pbx(b'{"type": "call.missed", "id": "1"}')).status_code == 204


def test_metrics_beside_the_deliveries_are_told_to_who_has_the_token(tmp_path: Path) -> None:
    """With METRICS_TOKEN, Prometheus reads them there, and nobody else; the log has no reason to warn."""
    token = "token-of-the-metrics"
    with serve(tmp_path, PORTAL, options=["--admin", "same"], METRICS_TOKEN=token) as (running, url):
        assert get(f"{url}/metrics").status_code == 401
        assert get(f"{url}/metrics", Authorization=f"Bearer {token}").status_code == 200
        assert running.stop() == 0
        log = running.drain()
    assert "METRICS_TOKEN" not in log
    assert token not in log


def test_there_are_no_pages_when_they_are_off(tmp_path: Path) -> None:
    """`--admin off` listens nowhere else, and the command says that there is no console."""
    with serve(tmp_path, PORTAL, options=["--admin", "off"]) as (running, url):
        for path in PAGES:
            assert get(url + path).status_code == 404
        assert get(f"{url}/readyz").status_code == 200
        done = link(tmp_path)
        assert running.stop() == 0
        assert "operators find" not in running.drain()
    assert done.returncode == 2
    assert "ADMIN" in done.stderr


def test_taken_port_is_named_with_its_option(tmp_path: Path) -> None:
    """A port for operators that another program has is a sentence with the option to change it, and makes no store."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        taken = f"127.0.0.1:{sock.getsockname()[1]}"
        command = badge_bridge("serve", "--rules", str(tmp_path / "rules.yaml"), "--port", "0", "--admin", taken)
        with program(command, env=serving_environ(tmp_path, PORTAL)) as running:
            assert running.process.wait(30) == 2
            text = running.drain()
    assert "is taken by another program" in text
    assert "--admin" in text
    assert not (tmp_path / "state.db").exists()


def test_listener_of_its_own_is_gone_when_serve_ends(tmp_path: Path) -> None:
    """SIGTERM ends both listeners, with exit code 0."""
    with serve(tmp_path, PORTAL) as (running, _):
        admin = admin_of(running)
        assert get(f"{admin}/livez").status_code == 200
        assert running.stop() == 0
    with pytest.raises(httpx.ConnectError):
        get(f"{admin}/livez")
