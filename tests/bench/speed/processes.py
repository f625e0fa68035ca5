"""Servers as processes: on free loopback ports, their output in files, stopped by their own process ids."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Running", "free_port", "importable", "printed", "running"]

_DEADLINE = 60.0


_TESTS = Path(__file__).resolve().parents[2]


def printed(module: str, *arguments: object, seconds: float) -> str:
    """What a module of this package prints when it is run, in a process of its own and in so many seconds.

    Raises:
        subprocess.SubprocessError: it failed, or took longer.
    """
    command = [sys.executable, "-m", f"{__package__}.{module}", *map(str, arguments)]
    env = {**os.environ, **importable()}
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds, env=env).stdout


def importable() -> dict[str, str]:
    """The environment in which a process finds this package, and what this one was told to find."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH"))))}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass(slots=True)
class Running:
    """A server that takes connections; its helpers are what has to stand still with it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    helpers: Sequence[Running] = field(default_factory=tuple)

    @contextmanager
    def alone(self, others: Sequence[Running]) -> Iterator[None]:
        """Let all others stand still: a server that works off what it has taken would take its part of the machine."""
        still = [one for other in others if other is not self for one in (other, *other.helpers)]
        for one in still:
            one.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for one in still:
                one.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """To it and its workers, which are a session of their own."""
        os.killpg(self.process.pid, number)

    def status(self, name: str) -> int:
        """Of /proc/PID/status, in KiB: VmRSS, VmHWM."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text("utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise AssertionError(f"no {name} in the status of process {self.process.pid}")

    def processor_time(self) -> float:
        """Seconds that it and its workers have computed, in all of their threads; its helpers have not their part."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended meanwhile
                # Behind the name, which may have brackets and blanks of its own: state, parent, group, ...
                said = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
                if int(said[2]) == self.process.pid:
                    ticks += int(said[11]) + int(said[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(
    command: Sequence[str], port: int, *, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Start it, wait until it takes connections, and stop it when the block ends."""
    log = folder / f"{Path(command[0]).name}-{port}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Running(process, port, log)
    try:
        _wait(server)
        yield server
    finally:
        if process.poll() is None:
            server.signal(signal.SIGCONT)
            process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            server.signal(signal.SIGKILL)
            process.wait()


def _wait(server: Running) -> None:
    end = time.monotonic() + _DEADLINE
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise AssertionError(f"it ended at once:\n{server.log.read_text('utf-8', 'replace')[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"it takes no connections after {_DEADLINE:g} s: {server.process.args!r}")
