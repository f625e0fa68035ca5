"""The processes: a sandbox that lives, and a bridge on one file and one port that is killed and started again."""

from __future__ import annotations

import resource
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from chaos.books import Store, read_file
from chaos.clock import Clocks
from chaos.deliveries import GATE_SECRET, RULES
from chaos.portal import Sandbox
from support.deliveries import environ
from support.programs import ROOT, Program, badge_bridge, free_port, health, until

__all__ = ["PACKAGE", "World"]

PACKAGE = ROOT / "functions"
"""Where the package is that `make test` tests."""

_NO_LIMIT = resource.RLIM_INFINITY


class World:
    """The embedded bridge of the package in `package`, with its files in `folder`."""

    def __init__(self, folder: Path, *, seed: int, package: Path = PACKAGE) -> None:
        self.state = folder / "state.db"
        self.clocks = Clocks(folder / "clocks")
        self.counts: Counter[str] = Counter()
        self._clocks_file = folder / "clocks"
        self._rules = folder / "rules.yaml"
        self._rules.write_text(RULES, "utf-8")
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._running: Program | None = None
        self._portal = Program(badge_bridge("sandbox", "--port", "0"), {"PYTHONPATH": str(PACKAGE)}, folder)
        try:
            self.sandbox = Sandbox(self._portal.find(r"sandbox portal\s+(http://127\.0\.0\.1:\d+)")[1], seed)
        except BaseException:
            self._portal.kill()
            raise
        self._env = {
            **environ(""),
            "GATE_SECRET": GATE_SECRET,
            "PORTAL": self.sandbox.url,
            "CLIENT_SECRET": APPLICATION_SECRET,
            "ENCRYPTION_KEY": new_key(),
            "STATE": f"sqlite:///{self.state}",
            "LOG_FORMAT": "json",
            "PYTHONPATH": f"{package}:{ROOT / 'tests'}",
        }
        self._folder = folder

    def start(self, *, may_write: bool = True) -> None:
        """Start the bridge, and do not wait until it listens."""
        assert self._running is None, "it runs already"
        command = [sys.executable, "-m", "chaos.serve", str(self._clocks_file)]
        command += ["serve", "--rules", str(self._rules), "--port", str(self._port)]
        self._running = Program(command, self._env, self._folder)
        self.counts["starts"] += 1
        if not may_write:
            self.refuse_writes()

    def wait(self) -> None:
        """Until it answers.

        Raises:
            AssertionError: it has ended, or has not answered in time.
        """

        def answers() -> bool:
            assert self._running is not None
            code = self._running.process.poll()
            assert code is None, f"the bridge ended by itself with {code}: {self._running.drain()[-2000:]}"
            return health(self.url) == 200

        until(answers, what="the bridge to answer")

    def kill(self) -> None:
        """SIGKILL."""
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            self._keep(running)

    def refuse_writes(self) -> None:
        """From now on no file of the bridge's may be written (RLIMIT_FSIZE; Python ignores SIGXFSZ, so that it hears
        EFBIG).
        """
        self._limit(0)

    def allow_writes(self) -> None:
        self._limit(_NO_LIMIT)

    def read(self) -> Store | None:
        """The second book; None where it cannot be read just now."""
        try:
            return read_file(self.state)
        except sqlite3.OperationalError:
            return None

    def redrive(self, keys: list[str]) -> str:
        """Let an operator try dead events again; what the command printed."""
        told = Program(badge_bridge("events", "redrive", *keys), self._env, self._folder)
        told.process.wait(60)
        return told.drain()

    def close(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._keep(self._running)
            self._running = None
        self.sandbox.close()
        self._portal.stop()

    def log(self) -> str:
        """What the bridge has said since its last start."""
        return self._running.drain() if self._running is not None and self._running.process.poll() is not None else ""

    def _limit(self, soft: int) -> None:
        assert self._running is not None
        if self._running.process.poll() is None:
            resource.prlimit(self._running.process.pid, resource.RLIMIT_FSIZE, (soft, _NO_LIMIT))

    def _keep(self, ended: Program) -> None:
        """Count what the log tells of."""
        text = ended.drain()
        self.counts["leases taken over from a living attempt"] += text.count("the lease was taken over meanwhile")
        self.counts["unexpected errors in the log"] += text.count("failed unexpectedly")
        if "Traceback" in text:
            (self._folder / f"traceback-{self.counts['starts']}.log").write_text(text, "utf-8")
            self.counts["tracebacks in the log"] += 1
