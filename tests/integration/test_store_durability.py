"""What the SQLite store has answered is on the disk: shown by killing it, by watching its system calls, and by
filling its disk.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from badge_bridge.store.sqlite import SqliteStore

pytestmark = pytest.mark.slow

CHILD = Path(__file__).parent / "store_child.py"


def command(program: str, path: Path) -> list[str]:
    return [sys.executable, str(CHILD), program, str(path)]


def killed(path: Path, lines: int) -> list[list[str]]:
    """Run the accepting child, kill it after it has said so many lines; everything that it said."""
    with subprocess.Popen(command("accept", path), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.readlines()
    assert child.returncode == -9
    return [line.split() for line in said if line.endswith("\n")]


@pytest.mark.parametrize("seed", range(4))
async def test_store_keeps_all_it_answered_when_killed(tmp_path: Path, seed: int) -> None:
    """Every event whose acceptance was reported before a SIGKILL is there, and every lease of the dead is free."""
    path = tmp_path / "state.db"
    lines = random.Random(seed).randint(1, 2000)  # noqa: S311 - a moment, not a secret
    said = killed(path, lines) + killed(path, lines // 2 + 1)
    accepted = {words[1] for words in said if words[0] == "accepted"}
    leased = {words[1]: int(words[2]) for words in said if words[0] == "leased"}

    store = SqliteStore(path)
    await store.open()
    claims = {claim.key: claim for claim in await store.claim_due(now=1000, lease=60, limit=1_000_000)}
    await store.close()

    assert len(accepted) >= lines // 2
    assert accepted <= claims.keys()
    assert all(claims[key].attempt > attempt for key, attempt in leased.items())
    assert all(claims[key].failures == claims[key].attempt - 1 for key in leased)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def system_calls(trace: str) -> Iterator[tuple[str, str]]:
    """The calls of a trace in the order in which they returned: name, and the rest of the line."""
    unfinished: dict[str, str] = {}
    for line in trace.splitlines():
        process, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            unfinished[process] = call.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>", call):
            call = unfinished.pop(process) + call[resumed.end() :]
        if named := re.match(r"(\w+)\((.*)", call):
            yield named[1], named[2]


def moments(trace: str) -> list[str]:
    """What matters of a trace: announcements and answers of the child, writes to the log, and its syncs."""
    found = []
    for name, rest in system_calls(trace):
        if name == "write" and (said := re.search(r'"((?:begin|end) \d+)\\n"', rest)):
            found.append(said[1])
        elif "state.db-wal>" in rest and name in ("pwrite64", "write"):
            found.append("written")
        elif "state.db-wal>" in rest and name in ("fsync", "fdatasync") and rest.rstrip().endswith("= 0"):
            found.append("synced")
    return found


def test_accept_is_answered_when_log_is_synced(tmp_path: Path, optional_program: Callable[[str], str]) -> None:
    """Between the call of accept and its answer the log is written, and after the last write its sync returns."""
    output = tmp_path / "trace"
    strace = [optional_program("strace"), "-f", "-y", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o", str(output)]
    run = subprocess.run(
        [*strace, *command("trace", tmp_path / "state.db")], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr

    found = moments(output.read_text())

    for number in range(10):
        between = found[found.index(f"begin {number}") + 1 : found.index(f"end {number}")]
        assert "written" in between
        assert between[-1] == "synced"


def test_moments_sees_missing_sync_when_calls_overlap() -> None:
    """The reading of a trace tells a sync that has returned from one that has only begun or failed."""
    trace = """\
1 write(1<pipe:[5]>, "begin 0\\n", 8) = 8
2 pwrite64(7</x/state.db-wal>, "..."..., 4096, 0 <unfinished ...>
1 write(9<socket:[1]>, "\\0", 1) = 1
2 <... pwrite64 resumed>) = 4096
2 fdatasync(7</x/state.db-wal> <unfinished ...>
1 write(1<pipe:[5]>, "end 0\\n", 6) = 6
2 <... fdatasync resumed>) = 0
2 fdatasync(7</x/state.db-wal>) = -1 EIO (Input/output error)
2 fdatasync(6</x/state.db>) = 0
"""

    assert moments(trace) == ["begin 0", "written", "end 0", "synced"]


async def test_store_recovers_when_disk_was_full(tmp_path: Path) -> None:
    """A full disk refuses with advice and writes nothing by halves, and says so when asked how it is; with room again
    the same store is healthy and goes on.
    """
    path = tmp_path / "state.db"
    run = subprocess.run(command("fill", path), capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)

    store = SqliteStore(path)
    await store.open()
    kept = [claim.key for claim in await store.claim_due(now=1000, lease=60, limit=1000)]
    await store.close()

    assert len(report["accepted"]) > 3
    assert report["full"] == [False] * 23
    assert report["health"] == [[False, False], [False, False], [True, True]]
    assert report["again"] == [True, True]
    assert sorted(kept) == sorted(report["accepted"])
    (refusal,) = report["refusals"]
    assert "room" in refusal
    assert str(path) in refusal
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
