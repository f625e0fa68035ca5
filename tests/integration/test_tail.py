"""`events tail` beside a running serve, in a terminal and for a script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.deliveries import Sent, shop, zadarma
from support.programs import ROOT, badge_bridge, program, sandbox, send, serve
from support.terminals import terminal

pytestmark = pytest.mark.slow


def missed(call: str, *, caller: str = "+4930901820") -> Sent:
    return zadarma(call, caller=caller, at=time.time() - 30)


def environ(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "functions"), "STATE": f"sqlite:///{folder}/state.db"}


def test_tail_shows_events_as_they_happen_and_ends_quietly(tmp_path: Path) -> None:
    """What was there before comes first; Ctrl-C is its end, and no error."""
    with sandbox() as (_, webhook), serve(tmp_path, webhook) as (_, url):
        assert send(url, missed("1")).status_code < 300
        with terminal(
            badge_bridge("events", "tail"), env={**environ(tmp_path), "COLUMNS": "80"}, cwd=tmp_path
        ) as screen:
            screen.find(r"at \(\w+\) +state +type +caller\s+key +what came of it\r?\n")
            screen.find(r"call\.missed +\+4930901820\s+office:\w+")
            assert send(url, missed("2", caller="+4930901829")).status_code < 300
            screen.find(r"done +call\.missed +\+4930901829\s+office:\w+ +missed call: ensured")
            screen.type("\x03")
            assert screen.end() == 0
        assert "Traceback" not in screen.text
        assert "Aborted" not in screen.text


def test_tail_prints_lines_of_json_for_a_script(tmp_path: Path) -> None:
    """Each a whole one, at once; with filters only what has become what is asked for."""
    with sandbox() as (_, webhook), serve(tmp_path, webhook) as (_, url):
        command = badge_bridge("events", "tail", "--json", "--source", "office", "--in", "done")
        with program(command, env=environ(tmp_path), cwd=tmp_path) as tail:
            # It has begun once the first of these is told of; until then they come from before its beginning.
            assert send(url, missed("1")).status_code < 300
            tail.find(r"\+4930901820")
            assert send(url, shop("1", {"status": "paid", "id": "1"})).status_code < 300
            assert send(url, missed("2", caller="+4930901829")).status_code < 300
            tail.find(r"\+4930901829")
            assert tail.stop(signal.SIGINT) == 0
    lines = [json.loads(line) for line in tail.output.splitlines()]
    assert [(line["caller"], line["state"]) for line in lines] == [("+4930901820", "done"), ("+4930901829", "done")]
    assert lines[1]["outcomes"][0]["result"] == "ensured"


def test_tail_goes_on_while_the_store_cannot_be_read(tmp_path: Path) -> None:
    """Such as in the middle of a restore: it says so once, and shows what happens afterwards."""
    with sandbox() as (_, webhook):
        with serve(tmp_path, webhook):
            pass
        state, away = tmp_path / "state.db", tmp_path / "away.db"
        with program(badge_bridge("events", "tail"), env=environ(tmp_path), cwd=tmp_path) as tail:
            with serve(tmp_path, webhook) as (_, url):
                send(url, missed("1"))
                tail.find(r"\+4930901820")
            state.rename(away)
            tail.find("trying again")
            away.rename(state)
            with serve(tmp_path, webhook) as (_, url):
                send(url, missed("2", caller="+4930901829"))
                tail.find(r"\+4930901829")
            assert tail.output.count("trying again") == 1
            assert tail.stop(signal.SIGINT) == 0


def test_tail_says_what_may_be_mistyped_and_looks_all_the_same(tmp_path: Path) -> None:
    """Else one would wait for ever for events of a source that there is not."""
    with sandbox() as (_, webhook):
        with serve(tmp_path, webhook):
            pass
        command = badge_bridge("events", "tail", "--source", "offic")
        with program(command, env=environ(tmp_path), cwd=tmp_path) as tail:
            tail.find("has no source 'offic'; did you mean 'office'")
            assert tail.stop(signal.SIGINT) in (0, 130)  # the latter where it had not begun yet


def test_tail_needs_a_store(tmp_path: Path) -> None:
    """In the wrong folder it says so, and makes none."""
    done = subprocess.run(
        badge_bridge("events", "tail"),
        env=environ(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no store at" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
