"""`badge-bridge serve` on a store that its disk has damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.damage import damage
from support.deliveries import Sent, pbx
from support.programs import badge_bridge, health, program, sandbox, send, serve, serving_environ

pytestmark = pytest.mark.slow


def told(number: int) -> Sent:
    return pbx(json.dumps({"type": "call.missed", "id": f"call-{number}"}).encode())


def store_up(admin: str) -> float:
    text = httpx.get(f"{admin}/metrics", trust_env=False, timeout=10).raise_for_status().text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    (up,) = [one.value for one in samples if one.name == "badge_bridge_store_up"]
    return up


def test_serve_is_not_ready_when_a_delivery_met_damage(tmp_path: Path) -> None:
    """The probes and the metric say what the senders were told, with the reason, and go on saying it."""
    with sandbox() as (_, webhook):
        with serve(tmp_path, webhook):
            pass
        damage(tmp_path / "state.db")

        with serve(tmp_path, webhook) as (running, url):
            admin = running.find(r"operators find \S+ and \S+ at (http://[^;]+);")[1]
            assert health(url) == 200
            assert store_up(admin) == 1
            assert send(url, told(1)).status_code == 503
            for _ in range(2):
                assert health(url) == 503
                said = httpx.get(f"{admin}/readyz", trust_env=False)
                assert said.status_code == 503
                assert "it is damaged" in said.json()["checks"]["store"]
                assert store_up(admin) == 0
            assert httpx.get(f"{admin}/livez", trust_env=False).status_code == 200


def test_serve_refuses_a_backup_that_was_copied_beside_the_log_of_a_killed_one(tmp_path: Path) -> None:
    """It says what to do; done so, it starts with the backup, and nothing of what stood there is gone."""
    store, copy = tmp_path / "state.db", tmp_path / "backup.db"
    with sandbox() as (_, webhook):
        env = serving_environ(tmp_path, webhook)

        def run(*arguments: str) -> tuple[int, str]:
            with program(badge_bridge(*arguments), env=env) as running:
                return running.process.wait(60), running.drain()

        with serve(tmp_path, webhook) as (running, url):
            assert send(url, told(1)).status_code == 204
            assert run("backup", str(copy))[0] == 0
            for number in range(2, 300):
                assert send(url, told(number)).status_code == 204
            running.kill()
        log = store.with_name("state.db-wal").read_bytes()
        assert len(log) > 500_000
        shutil.copy(copy, store)

        code, said = run("serve", "--rules", str(tmp_path / "rules.yaml"), "--port", "0")
        assert code != 0
        assert "state.db-wal, which would destroy it" in said
        assert "badge-bridge restore" in said
        assert (store.read_bytes(), store.with_name("state.db-wal").read_bytes()) == (copy.read_bytes(), log)

        assert run("restore", str(copy))[0] == 0
        with serve(tmp_path, webhook) as (running, url):
            assert health(url) == 200
            assert [send(url, told(number)).status_code for number in (1, 2)] == [204, 204]
        assert [left.read_bytes() for left in tmp_path.glob("state.db.before-restore-*-wal")] == [log]
