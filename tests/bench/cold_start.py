"""How long a cold function takes to its first answer, beside an empty one: `python tests/bench/cold_start.py`.

From the start of the process to the first byte of the answer to a request that is sent as soon as the port can be
connected to. The functions are those of the zip of `make package`, compiled as the build in the cloud does it, in an
environment with what they need and nothing else (`.venv-functions`). Rounds are interleaved, so that a noisy machine
treats all alike, and one is thrown away, so that all find the disk warm. `goal` is for the first answer of `receive`
with a signed delivery stored, as times the empty function's; `imports` says what an import costs in a fresh
interpreter, by itself and where the framework is there already.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from badge_bridge.portal.oauth import new_key
from badge_bridge.store.sqlite import SqliteStore
from support.deliveries import TWILIO_TOKEN, Sent, twilio
from support.emulators import firestore_emulator, firestore_jar
from support.environments import ROOT, NoRegistry, of_functions
from support.programs import free_port
from support.pubsub_emulator import PROJECT, pubsub_emulator, pubsub_jar

GOAL = 2.5
GOAL_OF = "receive, firestore"
"""As it is deployed: stored in Firestore, told to Pub/Sub, and worked on elsewhere."""
POLL = 0.002
DEADLINE = 60.0
WARM_TRIES = 3
EMPTY = """\
import functions_framework.aio
from starlette.responses import Response


@functions_framework.aio.http
async def receive(request):
    return Response("ok")
"""
RULES = ROOT / "functions" / "badge_bridge" / "demo" / "rules.yaml"
"""A portal's OAuth application, Twilio, the portal's own telephony, and one rule with a condition."""
SECRETS = {
    "PORTAL_URL": "http://127.0.0.1:8090",
    "BRIDGE_URL": "https://bridge.example.com",
    "B24_CLIENT_SECRET": "client-secret-0123456789",
    "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
    "ENCRYPTION_KEY": new_key(),
}
FRAMEWORK = "functions_framework.aio"
IMPORTS = (
    FRAMEWORK,
    "httpx",
    "httpcore",
    "pydantic.main",
    "yaml",
    "phonenumbers",
    "google.protobuf.descriptor_pool",
    "cel_expr_python.cel",
    "cryptography.fernet",
    "google.cloud.firestore",
    "google.cloud.logging",
    "badge_bridge.serverless.receive",
    "badge_bridge.bridge",
)


@dataclass(frozen=True)
class Contender:
    """A function whose first answer is waited for."""

    source: Path
    environ: Callable[[int], Mapping[str, str]]
    """What it is started with in this round: a store that has seen none of the deliveries."""


class Refused(Exception):
    """A function did not take its delivery."""


def first_answer(framework: Path, contender: Contender, turn: int) -> float:
    """Seconds from the start of a process to the first byte of its answer to a signed delivery."""
    port = free_port()
    given = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), **contender.environ(turn)}
    target = ["--target=receive", "--host=127.0.0.1", f"--port={port}"]
    command = [str(framework), f"--source={contender.source}", *target]
    sent = twilio(f"CA-cold-{os.getpid()}-{turn}")
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=given,
            cwd=contender.source.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            answer, took = _ask(port, sent, began)
        finally:
            # The whole group, which is ours alone: the master would wait for what its worker still has to do.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not answer.startswith(b"HTTP/1.1 2"):
            output.seek(0)
            raise Refused(f"{contender.source}: {answer[:200]!r}\n{output.read().decode()}")
    return took


def warm(framework: Path, contender: Contender) -> None:
    """Let the disk and the emulators, which are Java, answer once before anything is measured."""
    for tries_left in reversed(range(WARM_TRIES)):
        try:
            # Another delivery each time: a transaction that was cut off may hold what the one before has read.
            first_answer(framework, contender, -tries_left)
        except Refused:
            if not tries_left:
                raise
        else:
            return


def _ask(port: int, sent: Sent, began: float) -> tuple[bytes, float]:
    """The answer, and when its first byte was there."""
    headers = {"Host": "bridge.example.com", "Content-Length": str(len(sent.body)), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **sent.headers}.items())
    with _connected(port, began) as sock:
        sock.settimeout(DEADLINE)
        sock.sendall(f"POST {sent.path} HTTP/1.1\r\n{lines}\r\n".encode() + sent.body)
        answer = sock.recv(1)
        took = time.perf_counter() - began
        while more := sock.recv(65_536):
            answer += more
    return answer, took


def _connected(port: int, began: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.perf_counter() - began > DEADLINE:
                raise
            time.sleep(POLL)


def packaged(folder: Path, python: Path) -> Path:
    """`main.py` of the unpacked zip, compiled as the build in the cloud does it."""
    pack = [sys.executable, str(ROOT / "infra" / "package.py"), "--output", str(folder / "functions.zip")]
    subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
    with zipfile.ZipFile(folder / "functions.zip") as archive:
        archive.extractall(folder / "functions")
    subprocess.run([python, "-m", "compileall", "-f", "-q", "."], cwd=folder / "functions", check=True)
    return folder / "functions" / "main.py"


@contextlib.contextmanager
def contenders(folder: Path, receive: Path) -> Iterator[dict[str, Contender]]:
    """The empty function, and `receive` with each store that is there."""
    empty = folder / "empty" / "main.py"
    empty.parent.mkdir()
    empty.write_text(EMPTY, "utf-8")
    given = {**SECRETS, "RULES": str(RULES)}

    asyncio.run(_make_store(folder / "made.db"))

    def sqlite(turn: int) -> dict[str, str]:
        """A file that is there already, and has nothing in it to be worked on."""
        shutil.copy(folder / "made.db", folder / f"{turn}.db")
        return {**given, "STATE": f"sqlite:///{folder / f'{turn}.db'}"}

    functions = {"empty": Contender(empty, lambda _: {}), "receive, sqlite": Contender(receive, sqlite)}
    if firestore_jar() is None or pubsub_jar() is None:
        print("the emulators of the Google Cloud SDK are not here, so the goal is not measured", file=sys.stderr)
        yield functions
        return
    with firestore_emulator() as firestore, pubsub_emulator() as pubsub:
        pubsub.topic("events")
        emulators = {"FIRESTORE_EMULATOR_HOST": firestore, "PUBSUB_EMULATOR_HOST": pubsub.host}
        deployed = {"STATE": f"firestore://{PROJECT}", "DISPATCH": f"pubsub://{PROJECT}/events"}
        yield {**functions, GOAL_OF: Contender(receive, lambda _: {**given, **emulators, **deployed})}


async def _make_store(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()


def import_costs(python: Path, functions: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds by which a fresh interpreter takes longer, medians."""
    programs = {"": "pass", **{name: f"import {name}" for name in IMPORTS}}
    programs |= {f"{FRAMEWORK}, {name}": f"import {FRAMEWORK}, {name}" for name in IMPORTS}
    took: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            subprocess.run([python, "-c", program], cwd=functions, env={"PATH": os.defpath}, check=True)
            if turn:
                took[name].append(1000 * (time.perf_counter() - began))
    median = {name: statistics.median(times) for name, times in took.items()}
    both = f"{FRAMEWORK}, {FRAMEWORK}"
    return {
        name: {
            "alone_ms": round(median[name] - median[""]),
            "after_the_framework_ms": round(median[f"{FRAMEWORK}, {name}"] - median[both]),
        }
        for name in IMPORTS
    }


def told(times: Sequence[float]) -> dict[str, int]:
    return {
        "median_ms": round(1000 * statistics.median(times)),
        "best_ms": round(1000 * min(times)),
        "slowest_ms": round(1000 * max(times)),
    }


def compared(times: Sequence[float], empty: Sequence[float]) -> dict[str, Any]:
    """How many times as long, round by round."""
    ratios = [one / other for one, other in zip(times, empty, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return {"median": round(middle, 2), "quartiles": [round(low, 2), round(high, 2)]}


def measure(folder: Path, rounds: int, import_rounds: int, receive: Path | None) -> dict[str, Any]:
    python = of_functions()
    framework = python.with_name("functions-framework")
    receive = receive or packaged(folder, python)
    with contenders(folder, receive) as functions:
        times: dict[str, list[float]] = {name: [] for name in functions}
        for contender in functions.values():
            warm(framework, contender)
        for turn in range(1, rounds + 1):
            for name, contender in functions.items():
                times[name].append(first_answer(framework, contender, turn))
    result: dict[str, Any] = {"rounds": rounds, **{name: told(found) for name, found in times.items()}}
    result["times_the_empty_one"] = {
        name: compared(found, times["empty"]) for name, found in times.items() if name != "empty"
    }
    result["goal"] = {GOAL_OF: GOAL}
    if import_rounds:
        result["imports"] = import_costs(python, receive.parent, import_rounds)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--import-rounds", type=int, default=7, help="0 leaves the table out")
    parser.add_argument("--source", type=Path, help="another main.py than that of the package, to compare")
    arguments = parser.parse_args()
    try:
        of_functions()
    except NoRegistry as error:
        raise SystemExit(f"the environment of the functions cannot be made: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), arguments.rounds, arguments.import_rounds, arguments.source)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
