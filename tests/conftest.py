"""What all tests share: optional programs, and nothing that reaches beyond loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.emulators import firestore_emulator, firestore_jar
from support.pubsub_emulator import PubSub, pubsub_emulator, pubsub_jar


def _problem(name: str, path: str) -> str:
    """Why an installed program cannot be used on this machine; empty where it can."""
    if (
        name == "strace"
        and subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, check=False).returncode
    ):
        return "may not trace here (ptrace is not permitted)"
    if name == "kamailio":
        said = subprocess.run([path, "-I"], capture_output=True, text=True, check=False).stdout
        folders = [
            folder for line in said.splitlines() if "modules: " in line for folder in line.split(": ")[1].split(":")
        ]
        if not any(Path(folder, "http_client.so").exists() for folder in folders):
            return "has no module http_client (Debian's kamailio-utils-modules)"
    return ""


def _needs(what: str, jar: Path | None) -> None:
    """Skip, or fail where REQUIRE_OPTIONAL is set, without an emulator."""
    if jar is None:
        problem = f"the {what} emulator of the Google Cloud SDK, or java, is not installed"
        if os.environ.get("REQUIRE_OPTIONAL"):
            pytest.fail(f"required here: {problem}")
        pytest.skip(problem)


@pytest.fixture(scope="session")
def firestore_host() -> Iterator[str]:
    """`host:port` of a Firestore emulator that all tests of the session share, each in a project of its own."""
    _needs("Firestore", firestore_jar())
    with firestore_emulator() as host:
        yield host


@pytest.fixture
def firestore(firestore_host: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The emulator that `firestore_host` names, as the one that stores find; its `host:port`."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_host)
    return firestore_host


@pytest.fixture(scope="session")
def pubsub() -> Iterator[PubSub]:
    """A Pub/Sub emulator that all tests of the session share, each with topics of its own."""
    _needs("Pub/Sub", pubsub_jar())
    with pubsub_emulator() as running:
        yield running


@pytest.fixture
def optional_program() -> object:
    """Gives a function that returns a program's path, or skips the test; where REQUIRE_OPTIONAL is set, it fails."""

    def find(name: str) -> str:
        # Daemons are in /usr/sbin, which is not on the path of everybody who may run them.
        path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))
        problem = "is not installed" if path is None else _problem(name, path)
        if problem:
            if os.environ.get("REQUIRE_OPTIONAL"):
                pytest.fail(f"{name} is required here and {problem}")
            pytest.skip(f"{name} {problem}")
        assert path is not None
        return path

    return find
