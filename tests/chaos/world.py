"""What a storm strikes: a sandbox that lives, and a bridge beside it that is killed and started again."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from pathlib import Path

from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from chaos.books import Store
from chaos.clock import Clocks
from chaos.deliveries import GATE_SECRET, RULES
from chaos.portal import Sandbox
from support.deliveries import environ
from support.programs import ROOT, Program, badge_bridge, health

__all__ = ["PACKAGE", "PATIENCE", "TAKEN_OVER", "World", "answers"]

PACKAGE = ROOT / "functions"
"""Where the package is that `make test` tests."""

PATIENCE = 120.0
"""Seconds that a process gets to start: many start on a busy machine."""
TAKEN_OVER = "leases taken over from a living attempt"
"""What a log tells of, counted."""


class World:
    """What both kinds of bridge have around them: a portal, clocks, a rules file, and what the processes are told."""

    url: str
    """Where deliveries go."""
    portal_url: str
    """Where a portal installs the application."""

    def __init__(self, folder: Path, *, seed: int, package: Path = PACKAGE) -> None:
        self.clocks = Clocks(folder / "clocks")
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._rules = folder / "rules.yaml"
        self._rules.write_text(RULES, "utf-8")
        self._portal = Program(badge_bridge("sandbox", "--port", "0"), {"PYTHONPATH": str(PACKAGE)}, folder)
        try:
            self.sandbox = Sandbox(self._portal.find(r"sandbox portal\s+(http://127\.0\.0\.1:\d+)")[1], seed)
        except BaseException:
            self._portal.kill()
            raise
        self._env = {
            **environ(""),
            "GATE_SECRET": GATE_SECRET,
            "RULES": str(self._rules),
            "PORTAL": self.sandbox.url,
            "CLIENT_SECRET": APPLICATION_SECRET,
            "ENCRYPTION_KEY": new_key(),
            "LOG_FORMAT": "json",
            "PYTHONPATH": f"{package}:{ROOT / 'tests'}",
        }

    @abstractmethod
    def start(self, *, may_write: bool = True) -> None:
        """Start the bridge, and do not wait until it listens."""

    @abstractmethod
    def wait(self) -> None:
        """Until it answers.

        Raises:
            AssertionError: it has ended, or has not answered in time.
        """

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL."""

    @abstractmethod
    def refuse_writes(self) -> None:
        """From now on nothing can be written to the store."""

    @abstractmethod
    def allow_writes(self) -> None: ...

    @abstractmethod
    def read(self) -> Store | None:
        """The second book; None where it cannot be read just now."""

    @abstractmethod
    def places(self, text: str) -> list[str]:
        """Where in the store a text is, for people."""

    def redrive(self, keys: list[str]) -> str:
        """Let an operator try ended events again; what the command printed."""
        return self._operate("events", "redrive", *keys)

    def erase(self, phone: str) -> str:
        """Let an operator erase what is kept of a person; what the command printed."""
        return self._operate("erase", phone, "--yes")

    def _operate(self, *command: str) -> str:
        told = Program(badge_bridge(*command), self._env, self._folder)
        told.process.wait(60)
        return told.drain()

    def close(self) -> None:
        self.sandbox.close()
        self._portal.stop()

    def _keep(self, ended: Program) -> None:
        """Count what the log tells of."""
        text = ended.drain()
        self.counts[TAKEN_OVER] += text.count("the lease was taken over meanwhile")
        if "Traceback" in text:
            (self._folder / f"traceback-{self.counts['starts']}.log").write_text(text, "utf-8")
            self.counts["tracebacks in the log"] += 1


def answers(program: Program, url: str) -> bool:
    """Whether it does already.

    Raises:
        AssertionError: it has ended.
    """
    code = program.process.poll()
    assert code is None, f"{program.process.args!r} ended by itself with {code}: {program.drain()[-2000:]}"
    return health(url) == 200
