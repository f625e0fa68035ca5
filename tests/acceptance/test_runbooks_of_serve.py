"""The runbooks of `serve` itself, its disk and its rules file, played from the trouble to its end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from badge_bridge.store.sqlite.file import COMPANIONS
from support.damage import damage
from support.on_call import ANNA, OnCall, on_call
from support.programs import badge_bridge, program, until
from support.runbooks import Runbook

pytestmark = pytest.mark.slow


def test_rules_file_with_mistakes_is_mended_and_taken_up(tmp_path: Path) -> None:
    """The rules of before stay at work meanwhile, and Now lists the mistakes that `check` prints."""
    book = Runbook("A rules file with mistakes was not taken up")
    trouble = book.says("The newest rules file cannot be used; the rules of before are still at work")
    with on_call(tmp_path) as bridge:
        bridge.install()
        bridge.edit(("badge: missedCall\n", "badge: missedCal\n"), ("startsWith('+49800')", "startsWith('+49171')"))
        until(lambda: trouble in bridge.page(), what="a rules file that cannot be used")
        assert bridge.missed("one") == 200
        bridge.event(ANNA, "done")
        assert bridge.is_alarming("BadgeBridgeRulesRefused")

        printed = bridge.follows(book, "badge-bridge check rules.yaml")
        place, _, mistake = printed.splitlines()[0].removeprefix("rules.yaml:").partition(": ")
        assert f"{place} {mistake}" in bridge.page()
        bridge.takes_up(("badge: missedCal\n", "badge: missedCall\n"))
        assert "missedCal" not in bridge.typed("badge-bridge check rules.yaml")
        assert trouble not in bridge.page()
        assert bridge.missed("two") == 200
        bridge.event(ANNA, "ignored")
    assert book.untyped == {"systemctl reload badge-bridge"}, "there is no systemd here"


def filling(strace: str, bridge: OnCall) -> list[str]:
    """A command under which each write to a file of the store fails as on a disk that is full."""
    files = [part for end in ("", *COMPANIONS) for part in ("-P", f"{bridge.store}{end}")]
    return [strace, "-f", "-o", os.devnull, "-e", "inject=pwrite64,write:error=ENOSPC", *files]


@contextmanager
def full_disk(strace: str, bridge: OnCall) -> Iterator[None]:
    """The disk of a `serve` that runs is full inside, and has room again after that."""
    with program([*filling(strace, bridge), "-p", str(bridge.running.process.pid)]) as running:
        running.find("attached")
        yield


def test_store_on_a_full_disk_is_told_and_works_again_when_there_is_room(
    tmp_path: Path, optional_program: Callable[[str], str]
) -> None:
    """Deliveries are answered 503 while the disk is full, and are taken without a restart when it is not; a `serve` that
    is started on a full disk says so, and what is stored can be read.
    """
    optional_program("curl")
    strace = optional_program("strace")
    book = Runbook("The disk is full, or the store cannot be written")
    with on_call(tmp_path) as bridge:
        bridge.install()
        places = {"http://127.0.0.1:8081": bridge.admin, "/var/lib/badge-bridge/state.db": str(bridge.store)}
        with full_disk(strace, bridge):
            assert bridge.missed("one") == 503
            assert bridge.is_alarming("BadgeBridgeStoreFails")
            said = bridge.follows(book, "curl -s", **places)
        bridge.hears(json.loads(said)["checks"]["store"])
        assert book.says('"store":"ok"') in bridge.typed(
            book.command("curl -s").replace("http://127.0.0.1:8081", bridge.admin)
        )
        assert bridge.missed("one") == 200
        key = bridge.event(ANNA, "done")

        assert bridge.running.stop() == 0
        full = filling(strace, bridge)
        with program([*full, *badge_bridge("serve")], env=bridge.environ, cwd=tmp_path) as running:
            assert running.process.wait(60) == 1
            assert book.says("see that its disk has room") in running.drain()
        words = book.command("badge-bridge events list").split()[1:]
        with program([*full, *badge_bridge(*words)], env=bridge.environ, cwd=tmp_path) as running:
            assert running.process.wait(60) == 0
            book.says("reads the store all the same")
            assert key in running.drain()
    assert book.untyped == {"df -h"}, "no disk is full by its figures"


def test_damaged_store_is_told_and_replaced_by_its_backup(tmp_path: Path) -> None:
    """Where the disk has damaged the file, room does not help: the backup is restored, and deliveries are taken."""
    book = Runbook("The disk is full, or the store cannot be written")
    with on_call(tmp_path) as bridge:
        bridge.typed("badge-bridge backup backup.db")
        assert bridge.running.stop() == 0
        damage(bridge.store)
        bridge.start()
        assert bridge.missed("one") == 503
        said = httpx.get(f"{bridge.admin}/readyz", trust_env=False).json()["checks"]["store"]
        assert book.says("it is damaged") in said
        book.says("end `serve`, [restore](#backups) the last backup")
        bridge.running.stop()
        assert "is backup.db now" in bridge.typed("badge-bridge restore backup.db")
        bridge.start()
        assert bridge.missed("one") == 200
