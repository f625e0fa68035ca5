"""Programs that a test starts: on free loopback ports, stopped by their own process id, with a deadline on everything."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

from support.deliveries import RULES, Sent, environ

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 30.0

T = TypeVar("T")


def until(look: Callable[[], T], *, what: str, deadline: float = DEADLINE) -> T:
    """Look again and again until there is something; fail with `what` when the deadline is over."""
    end = time.monotonic() + deadline
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s for {what}")
        time.sleep(0.02)


class Program:
    """A running program whose output, both streams, is read line by line."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            command,
            # Several run at once: 8081 is for one.
            env={**os.environ, "PYTHONUNBUFFERED": "1", "ADMIN": "127.0.0.1:0", **env},
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def find(self, pattern: str) -> re.Match[str]:
        """The first match in the output, waiting for it."""
        end = time.monotonic() + DEADLINE
        while True:
            match = re.search(pattern, self.output)
            if match:
                return match
            try:
                line = self._queue.get(timeout=max(end - time.monotonic(), 0.001))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no {pattern!r} in the output of {self.process.args!r}:\n{self.output}")
            self.lines.append(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def drain(self) -> str:
        """All output of a program that has ended."""
        while (line := self._queue.get(timeout=DEADLINE)) is not None:
            self.lines.append(line)
        return self.output

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self._queue.put(line)
        self._queue.put(None)


@contextmanager
def program(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Iterator[Program]:
    running = Program(command, env or {}, cwd)
    try:
        yield running
    finally:
        # Asked and not killed: gunicorn's master takes its workers with it only when it is asked.
        if running.process.poll() is None:
            running.stop()


def badge_bridge(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "badge_bridge.cli", *arguments]


@contextmanager
def sandbox() -> Iterator[tuple[str, str]]:
    """A sandbox portal: its address and its webhook's URL."""
    with program(badge_bridge("sandbox", "--port", "0")) as running:
        webhook = running.find(r"webhook\s+(http://127\.0\.0\.1:\d+/rest/\S+)\n")[1]
        yield webhook.partition("/rest/")[0], webhook


@contextmanager
def serve(
    folder: Path, webhook: str, *, wrap: Sequence[str] = (), rules: str = RULES, options: Sequence[str] = (), **env: str
) -> Iterator[tuple[Program, str]]:
    """`badge-bridge serve` with its store in `folder`; `wrap` is put before the command, `options` behind it, `env` into its environment."""
    file = folder / "rules.yaml"
    file.write_text(rules, "utf-8")
    command = [*wrap, *badge_bridge("serve", "--rules", str(file), "--port", "0", *options)]
    with program(command, env={**serving_environ(folder, webhook), **env}) as running:
        yield running, running.find(r"listening on (http://127\.0\.0\.1:\d+)")[1]


@contextmanager
def functions_framework(
    folder: Path,
    webhook: str,
    *,
    rules: str = RULES,
    status: int = 200,
    target: str = "receive",
    port: int = 0,
    env: Mapping[str, str] | None = None,
    python: Path = Path(sys.executable),
    source: Path = ROOT / "functions",
) -> Iterator[tuple[Program, str]]:
    """A function of `source`, as Google's framework in the environment of `python` serves it, once its health page
    answers with `status`.
    """
    file = folder / "rules.yaml"
    file.write_text(rules, "utf-8")
    port = port or free_port()
    command = [
        str(python.with_name("functions-framework")),
        f"--source={source / 'main.py'}",
        f"--target={target}",
        "--host=127.0.0.1",
        f"--port={port}",
    ]
    environment = {**serving_environ(folder, webhook), "RULES": str(file), **(env or {})}
    with program(command, env=environment, cwd=folder) as running:
        url = f"http://127.0.0.1:{port}"
        until(lambda: health(url) == status, what=f"the function on port {port}")
        yield running, url


def serving_environ(folder: Path, webhook: str) -> dict[str, str]:
    return {
        **environ(webhook),
        "STATE": f"sqlite:///{folder / 'state.db'}",
        "LOG_FORMAT": "json",
    }


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def health(url: str) -> int:
    """Status of the health page; 0 while nobody listens."""
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code
    except httpx.TransportError:
        return 0


def send(url: str, sent: Sent, *, address: str | None = None) -> httpx.Response:
    """`address` is one of this machine's, from which it is sent."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), trust_env=False, timeout=10) as client:
        return client.request(sent.method, url + sent.path, content=sent.body, headers=sent.headers)
