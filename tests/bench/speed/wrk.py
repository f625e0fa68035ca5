"""A closed loop: wrk keeps 50 connections busy, each with one request under way."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.speed.deliveries import Requests

__all__ = ["CONNECTIONS", "Load", "load"]

CONNECTIONS = 50
_SCRIPT = Path(__file__).with_name("requests.lua")
_PATIENCE = 30
"""Seconds that the last answers get; wrk ends with them."""


@dataclass(frozen=True, slots=True)
class Load:
    answered: int
    """With 2xx, as each was."""
    seconds: float
    """From the first request to the last answer."""
    p50: float
    """Milliseconds."""
    p99: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


def load(port: int, requests: Requests, seconds: float) -> Load:
    """Send requests of the file for so long, and wait for the last answers.

    Raises:
        AssertionError: something was not answered with 2xx, or a connection broke.
    """
    longest = math.ceil(seconds) + _PATIENCE
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{longest}s", "--timeout", f"{_PATIENCE}s", "-s", str(_SCRIPT)]
    arguments = [str(requests.path), str(requests.size), str(seconds)]
    ran = subprocess.run(
        [*command, f"http://127.0.0.1:{port}", "--", *arguments],
        check=True, capture_output=True, text=True, timeout=longest + 30,
    )  # fmt: skip
    said = json.loads(ran.stdout.splitlines()[-1])
    assert not said["broken"], f"{said['broken']} connections broke"
    assert said["accepted"] == said["sent"], f"{said['sent'] - said['accepted']} requests were not answered with 2xx"
    return Load(said["accepted"], said["seconds"], said["p50_ms"], said["p99_ms"])
