"""The functions, as Google's framework serves them, over emulators of Firestore and Pub/Sub."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx

from chaos.books import Store
from chaos.documents import places_in_documents, read_documents
from chaos.gate import Gate
from chaos.world import PACKAGE, PATIENCE, World, answers
from support.emulators import firestore_emulator
from support.programs import Program, free_port, until
from support.pubsub_emulator import PROJECT, PubSub, pubsub_emulator

__all__ = ["Cloud"]

KILLED = ("receive", "process", "sweep")
"""The functions that are killed together; `install` lives, as it does next to nothing."""
EVERY = 1.0
"""Seconds between two calls of `sweep`, which is a minute where it is deployed."""


class Cloud(World):
    """Those of the package in `package`, with their files in `folder`; over `emulators`, the address of a Firestore and a
    Pub/Sub, or over two of their own.
    """

    def __init__(
        self, folder: Path, *, seed: int, package: Path = PACKAGE, emulators: tuple[str, PubSub] | None = None
    ) -> None:
        self._running: Mapping[str, Program] = {}
        self._stack = ExitStack()
        super().__init__(folder, seed=seed, package=package)
        try:
            self._open(folder, emulators)
        except BaseException:
            self.close()
            raise

    def _open(self, folder: Path, emulators: tuple[str, PubSub] | None) -> None:
        enter = self._stack.enter_context
        host, pubsub = emulators or (enter(firestore_emulator()), enter(pubsub_emulator()))
        self._gate = Gate(host)
        self._stack.callback(self._gate.close)
        self._store = self._stack.enter_context(httpx.Client(base_url=f"http://{host}", trust_env=False, timeout=30))
        name = secrets.token_hex(6)
        self._project = f"chaos-{name}"
        topic = pubsub.topic(f"topic-{name}")
        self._urls = {target: f"http://127.0.0.1:{free_port()}" for target in (*KILLED, "install")}
        self.url, self.portal_url = self._urls["receive"], self._urls["install"]
        subscription = pubsub.subscription(
            f"push-{name}",
            topic,
            pushConfig={"pushEndpoint": self._urls["process"]},
            ackDeadlineSeconds=10,
            retryPolicy={"minimumBackoff": "0.1s", "maximumBackoff": "0.5s"},
            expirationPolicy={},
        )
        self._stack.callback(pubsub.ask, "DELETE", subscription)
        self._env |= {
            "STATE": f"firestore://{self._project}",
            "FIRESTORE_EMULATOR_HOST": self._gate.host,
            "DISPATCH": f"pubsub://{PROJECT}/topic-{name}",
            "PUBSUB_EMULATOR_HOST": pubsub.host,
            "CHAOS_CLOCKS": str(folder / "clocks"),
        }
        self._install = self._function("install")
        self._stack.callback(self._install.stop)
        self._ended = threading.Event()
        self._scheduler = threading.Thread(target=self._sweep, name="scheduler")
        self._scheduler.start()
        self._stack.callback(self._scheduler.join)
        self._stack.callback(self._ended.set)

    def start(self, *, may_write: bool = True) -> None:
        assert not self._running, "it runs already"
        if may_write:
            self.allow_writes()
        else:
            self.refuse_writes()
        self._running = {target: self._function(target) for target in KILLED}
        self.counts["starts"] += 1

    def wait(self) -> None:
        for target, program in {**self._running, "install": self._install}.items():
            until(partial(answers, program, self._urls[target]), what=f"{target} to answer", deadline=PATIENCE)

    def kill(self) -> None:
        running, self._running = self._running, {}
        for program in running.values():
            workers = _workers(program.process.pid)
            program.kill()  # first, since it would make its workers anew
            for worker in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
        for program in running.values():
            self._keep(program)

    def refuse_writes(self) -> None:
        """Firestore cannot be reached."""
        self._gate.shut()

    def allow_writes(self) -> None:
        self._gate.open()

    def read(self) -> Store | None:
        try:
            return read_documents(self._store, self._project)
        except httpx.HTTPError:
            return None

    def places(self, text: str) -> list[str]:
        return places_in_documents(self._store, self._project, text)

    def close(self) -> None:
        self.kill()
        self._stack.close()
        super().close()

    def _function(self, target: str) -> Program:
        port = self._urls[target].rpartition(":")[2]
        source = Path(__file__).with_name("functions.py")
        command = [str(Path(sys.executable).with_name("functions-framework")), f"--source={source}"]
        command += [f"--target={target}", "--host=127.0.0.1", f"--port={port}"]
        return Program(command, {**self._env, "FUNCTION_TARGET": target}, self._folder)

    def _sweep(self) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not self._ended.wait(EVERY):
                with contextlib.suppress(httpx.HTTPError):
                    client.post(self._urls["sweep"])


def _workers(master: int) -> list[int]:
    """The processes that gunicorn has forked to answer requests."""
    try:
        return [int(one) for one in Path(f"/proc/{master}/task/{master}/children").read_text("ascii").split()]
    except FileNotFoundError:
        return []
