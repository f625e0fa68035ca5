"""What one canonical line costs, in microseconds, in each form: `python tests/bench/log_lines.py`.

The best of several runs, on one thread, written to a stream in memory: cleaning and formatting, without the disk.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable

from badge_bridge.events import event_key
from badge_bridge.observability import logs
from badge_bridge.observability.event_line import log_event
from badge_bridge.observability.floods import FloodGate
from badge_bridge.observability.redaction import Redactor
from badge_bridge.outcomes import Exchange, Outcome

ROUNDS, RUNS = 2_000, 7
SECRETS = [f"secret-number-{n}-of-the-rules-file" for n in range(5)]
ADDED = [Outcome(rule="missed call", result="ensured", badge="bb_missedCall", portal="main", reason="added")]
ASKED = [
    Exchange(method="crm.activity.badge.get", answer="NOT_FOUND", milliseconds=50.1),
    Exchange(method="crm.activity.badge.add", answer="ok", milliseconds=51.5),
]


def cost(work: Callable[[int], None]) -> float:
    """Microseconds of processor time, so that what else runs on the machine counts less."""
    best = float("inf")
    for run in range(RUNS):
        started = time.thread_time()
        for n in range(ROUNDS):
            work(run * ROUNDS + n)
        best = min(best, time.thread_time() - started)
    return best / ROUNDS * 1e6


def done(n: int) -> None:
    log_event(
        caller="+4930901820",
        key=event_key("reception", [str(n)]),
        source="reception",
        provider="twilio",
        type="call.missed",
        state="done",
        attempt=1,
        failures=0,
        waited=0.003,
        took=0.12,
        outcomes=ADDED,
        asked=ASKED,
        rules_hash="9f86d081884c7d65",
    )


def show(name: str, microseconds: float) -> None:
    sys.stdout.write(f"{name:<58} {microseconds:7.1f} us\n")


def lines() -> None:
    for name in ("console", "json", "gcp", "gcp, after the upgrade"):
        stream = io.StringIO()
        logs.configure("gcp" if name.startswith("gcp") else name, "INFO", stream=stream, secrets=SECRETS)  # type: ignore[arg-type] # one of the three
        if name.endswith("upgrade"):
            started = time.perf_counter()
            logs.upgrade()
            show("loading google-cloud-logging, once", (time.perf_counter() - started) * 1e6)
        show(f"one event's line, {name}", cost(done))
        logs.restore()
    logs.configure("json", "ERROR", stream=io.StringIO())
    show("one event's line, its level off", cost(done))
    logs.restore()


def parts() -> None:
    redactor = Redactor(secrets=SECRETS)
    message = "done reception:4f0c1a2b… call.missed -> missed call: ensured bb_missedCall (added)"
    traceback = "".join(f'  File "/app/badge_bridge/m{n}.py", line {n}, in work\n    call({n})\n' for n in range(30))
    show("cleaning an ordinary message", cost(lambda _: _drop(redactor.text(message))))
    show("cleaning a message with a phone number", cost(lambda _: _drop(redactor.text(f"{message} +49301234567"))))
    show(f"cleaning a traceback of {len(traceback)} characters", cost(lambda _: _drop(redactor.text(traceback))))
    gate = FloodGate()
    show("one more refused delivery of a flood", cost(lambda _: _drop(str(gate.over() or gate.passes(("a", 401))))))


def plain() -> None:
    log = logging.getLogger("plain")
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.handlers, log.propagate, log.level = [handler], False, logging.INFO
    show("for comparison: logging's own text line, not cleaned", cost(lambda _: log.info("%s", "x" * 80)))


def _drop(_: str) -> None:
    """Take the result, as a caller would."""


if __name__ == "__main__":
    lines()
    parts()
    plain()
