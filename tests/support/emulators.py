"""Emulators of the Google Cloud SDK, and its Firestore: found, started on a free loopback port, stopped by its own process id.

The SDK's own `gcloud emulators ... start` leaves the Java program behind when it is stopped, so that is started here
without it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.programs import free_port, program, until

_FIRESTORE = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"

_OWNER = {"Authorization": "Bearer owner"}

START = 60.0
"""Seconds that an emulator gets to start: Java on a busy machine."""


def sdk(pattern: str) -> Path | None:
    """A Java program under the SDK's `platform/`, found through CLOUDSDK_ROOT or the `gcloud` on the path; None without
    it or without Java.
    """
    roots = [Path(root)] if (root := os.environ.get("CLOUDSDK_ROOT")) else []
    if gcloud := shutil.which("gcloud"):
        roots.append(Path(gcloud).resolve().parent.parent)
    found = (file for root in roots for file in sorted(root.glob(f"platform/{pattern}")))
    return next(found, None) if shutil.which("java") else None


def firestore_jar() -> Path | None:
    return sdk("cloud-firestore-emulator/cloud-firestore-emulator.jar")


@contextmanager
def firestore_emulator() -> Iterator[str]:
    """`host:port` of an empty Firestore, for FIRESTORE_EMULATOR_HOST."""
    jar = firestore_jar()
    assert jar is not None
    port = free_port()
    # As the SDK's script starts it.
    java = ["java", "-Xmx512m", "-Duser.language=en", "-cp", str(jar), _FIRESTORE]
    command = [*java, "--host", "127.0.0.1", "--port", str(port)]
    with program(command) as running:
        until(lambda: answers(f"http://127.0.0.1:{port}/"), what=f"Firestore on port {port}", deadline=START)
        _warm_up(port)
        yield f"127.0.0.1:{port}"
        running.kill()


def _warm_up(port: int) -> None:
    """Let Java load what the first write needs, which takes longer on a busy machine than a store waits."""
    documents = f"http://127.0.0.1:{port}/v1/projects/warm-up/databases/(default)/documents"
    written = httpx.patch(f"{documents}/a/b", json={"fields": {}}, headers=_OWNER, trust_env=False, timeout=START)
    written.raise_for_status()


def answers(url: str) -> bool:
    """Whether a server does already."""
    try:
        return httpx.get(url, trust_env=False, timeout=2).is_success
    except httpx.TransportError:
        return False
