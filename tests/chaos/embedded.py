"""`badge-bridge serve`: one process on one file and one port."""

from __future__ import annotations

import resource
import sqlite3
import sys
from pathlib import Path

from chaos.books import Store, places_in_file, read_file
from chaos.world import PACKAGE, PATIENCE, World, answers
from support.programs import Program, free_port, until

__all__ = ["Embedded"]

_NO_LIMIT = resource.RLIM_INFINITY


class Embedded(World):
    """That of the package in `package`, with its files in `folder`."""

    def __init__(self, folder: Path, *, seed: int, package: Path = PACKAGE) -> None:
        super().__init__(folder, seed=seed, package=package)
        self._state = folder / "state.db"
        self._env["STATE"] = f"sqlite:///{self._state}"
        self._port = free_port()
        self.url = self.portal_url = f"http://127.0.0.1:{self._port}"
        self._running: Program | None = None

    def start(self, *, may_write: bool = True) -> None:
        assert self._running is None, "it runs already"
        command = [sys.executable, "-m", "chaos.serve", str(self._folder / "clocks")]
        command += ["serve", "--rules", str(self._rules), "--port", str(self._port)]
        self._running = Program(command, self._env, self._folder)
        self.counts["starts"] += 1
        if not may_write:
            self.refuse_writes()

    def wait(self) -> None:
        running = self._running
        assert running is not None
        until(lambda: answers(running, self.url), what="the bridge to answer", deadline=PATIENCE)

    def kill(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            self._keep(running)

    def refuse_writes(self) -> None:
        """No file of the process's may be written (RLIMIT_FSIZE; Python ignores SIGXFSZ, so that it hears EFBIG)."""
        self._limit(0)

    def allow_writes(self) -> None:
        self._limit(_NO_LIMIT)

    def read(self) -> Store | None:
        try:
            return read_file(self._state)
        except sqlite3.OperationalError:
            return None

    def places(self, text: str) -> list[str]:
        return places_in_file(self._state, text)

    def close(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._keep(self._running)
            self._running = None
        super().close()

    def _limit(self, soft: int) -> None:
        assert self._running is not None
        if self._running.process.poll() is None:
            resource.prlimit(self._running.process.pid, resource.RLIMIT_FSIZE, (soft, _NO_LIMIT))
