"""How many deliveries `serve` accepts, durable and verified, beside what else takes webhooks; and how long each waits.

Every delivery of a turn is new and was signed before it began, and as many rows are new in the store as were answered
with 2xx. All contenders run with one worker process, are sent the same bytes, and stand still while another one has its
turn; `serve` has its own worker on, with the backlog of all turns before.
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.speed import accept_stages
from bench.speed.contenders import NODE_RED, empty_function, install_node_red, least, node_red, serve, webhook
from bench.speed.deliveries import write_requests
from bench.speed.figures import Figure, Row, check_count, percentile
from bench.speed.open_loop import Paced, paced
from bench.speed.processes import Running
from bench.speed.slow_disk import slow_sync, sync_times
from bench.speed.wrk import CONNECTIONS, Load, load

__all__ = ["measure"]

SECONDS, QUICK_SECONDS = 4.0, 0.6
"""Of a turn."""

WARM_UP = 0.4
"""Seconds, in which each loads what it loads with its first requests."""

MOST_RATE = 20_000
"""Deliveries a second that are signed for a turn; more than any contender takes."""

FEWEST = 1_000
"""Deliveries of a turn of which a percentile is told: of fewer, the 99th would be that of one or two."""

SLOWER = 2.0
"""Milliseconds that each sync takes longer for the `serve` on a slow disk."""

SERVE, SLOW, EMPTY, WEBHOOK, RED = "serve", "serve on a slow disk", "empty", "webhook", "node-red"
LEAST = "least"
"""No contender, but what of it can be reached at all: a signature check and a row in SQLite, and nothing else."""
SHARE = 0.75
"""Of what the empty handler takes: the goal."""
_WHAT = "accepts a second, durable and verified"
_FUNCTION = "an empty functions_framework.aio handler"
_NODE_RED_FOLDER = Path(__file__).resolve().parents[3] / ".artifacts" / "node-red"


@dataclass(frozen=True, slots=True)
class _Contender:
    server: Running
    state: Path | None = None

    def stored(self) -> int:
        """Events in its store; 0 where it has none."""
        if self.state is None:
            return 0
        with closing(sqlite3.connect(f"{self.state.as_uri()}?mode=ro", uri=True)) as connection:
            (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
            return int(events)


class _Field:
    """The contenders that there are, and why others are missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contenders: dict[str, _Contender] = {}
        self.took: dict[str, list[float]] = {}
        """Microseconds of processor time for each delivery of a turn at a fixed rate, whatever they were spent on."""
        self.missing: dict[str, str] = {}

    def line_up(self, stack: ExitStack, *, quick: bool) -> None:
        """Start all; each stops with the stack."""
        self._add(EMPTY, stack.enter_context(empty_function(self.folder)))
        state = self.folder / f"{LEAST}.db"
        self._add(LEAST, stack.enter_context(least(self.folder, state=state)), state)
        for name, env in {SERVE: {}, SLOW: self._slower()}.items():
            if env is not None:
                state = self.folder / f"{name}.db"
                self._add(name, stack.enter_context(serve(self.folder, state=state, env=env)), state)
        if shutil.which("webhook") is None:
            self.missing[WEBHOOK] = "apt install webhook"
        else:
            self._add(WEBHOOK, stack.enter_context(webhook(self.folder)))
        self.missing[RED] = install_node_red(_NODE_RED_FOLDER, may_fetch=not quick)
        if not self.missing[RED]:
            self._add(RED, stack.enter_context(node_red(self.folder, _NODE_RED_FOLDER)))

    def _add(self, name: str, server: Running, state: Path | None = None) -> None:
        self.contenders[name] = _Contender(server, state)

    def _slower(self) -> Mapping[str, str] | None:
        library = slow_sync(self.folder, SLOWER)
        if library is None:
            self.missing[SLOW] = "apt install gcc"
            return None
        return {"LD_PRELOAD": str(library)}

    def closed(self, name: str, seconds: float) -> Load:
        """One turn of a contender: as much as it takes, from 50 connections."""
        contender = self.contenders[name]
        requests = write_requests(self.folder, int(MOST_RATE * seconds))
        with contender.server.alone(self._servers()):
            before = contender.stored()
            loaded = load(contender.server.port, requests, seconds)
            self._check(contender, loaded.answered, before)
        requests.path.unlink()
        return loaded

    def paced(self, name: str, rate: float, seconds: float) -> Paced:
        """One turn of a contender: so many deliveries a second, whether it keeps up or not."""
        contender = self.contenders[name]
        requests = write_requests(self.folder, int(rate * seconds))
        with contender.server.alone(self._servers()):
            before, computed = contender.stored(), contender.server.processor_time()
            answered = paced(contender.server.port, requests, rate, seconds, CONNECTIONS)
            computed = contender.server.processor_time() - computed
            self.took.setdefault(name, []).append(computed / answered.answered * 1e6)
            self._check(contender, answered.answered, before)
        requests.path.unlink()
        return answered

    def _servers(self) -> Sequence[Running]:
        return [contender.server for contender in self.contenders.values()]

    @staticmethod
    def _check(contender: _Contender, answered: int, before: int) -> None:
        if contender.state is not None:
            check_count(answered, contender.stored() - before)


def measure(*, quick: bool, runs: int) -> list[Row]:
    """Five rows: against three others, once more on a slower disk, and the time that a delivery waits for its answer."""
    if shutil.which("wrk") is None:
        return _rows({}, {}, dict.fromkeys((SERVE, SLOW, EMPTY, WEBHOOK, RED), "apt install wrk"), {})
    seconds = QUICK_SECONDS if quick else SECONDS
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        syncs = sync_times(folder)
        details: dict[str, Any] = {"stages_us": accept_stages.measured(1 if quick else runs)}
        field = _Field(folder)
        field.line_up(stack, quick=quick)
        for contender in field.contenders:
            field.paced(contender, 500, WARM_UP)
        rates: dict[str, list[float]] = {contender: [] for contender in field.contenders}
        for _ in range(runs):
            for contender, turns in rates.items():
                turns.append(field.closed(contender, seconds).rate)
        half = statistics.median(rates[SERVE]) / 2
        field.took.clear()
        waits: dict[str, list[Paced]] = {EMPTY: [], LEAST: [], SERVE: []}
        for _ in range(runs):
            syncs += sync_times(folder)
            for contender, answered in waits.items():
                answered.append(field.paced(contender, half, max(seconds, FEWEST / half)))
        details["processor_us"] = {name: statistics.median(took) for name, took in field.took.items()}
        details["fdatasync_ms"] = {"p50": statistics.median(syncs), "p99": percentile(syncs, 99)}
        return _rows(rates, waits, field.missing, {**details, "half_load": half})


def _rows(
    rates: Mapping[str, Sequence[float]],
    waits: Mapping[str, Sequence[Paced]],
    missing: Mapping[str, str],
    details: Mapping[str, Any],
) -> list[Row]:
    def row(against: str, other: str, goal: float, ours: str = SERVE, remark: str = "") -> Row:
        figure = None
        if ours in rates and other in rates:
            figure = Figure(rates[ours], rates[other], "a second")
        return Row(_WHAT, against, "at least", goal, figure, missing.get(ours) or missing.get(other) or remark)

    first = row(_FUNCTION, EMPTY, SHARE, remark=_limits(rates, details))
    return [
        replace(first, details=details),
        row(f"{_FUNCTION}, each sync of serve's disk {SLOWER:g} ms longer", EMPTY, SHARE, ours=SLOW),
        row("webhook of Debian, which checks the HMAC and waits for its command", WEBHOOK, 3),
        row(f"Node-RED {NODE_RED}, which neither checks nor stores", RED, 1.5),
        _wait(waits, missing, details),
    ]


def _wait(waits: Mapping[str, Sequence[Paced]], missing: Mapping[str, str], details: Mapping[str, Any]) -> Row:
    unmeasured = Row("p99 of an accept at half that load", f"{_FUNCTION} at the same load", "at most", 3, None)
    if not waits:
        return replace(unmeasured, remark=missing[SERVE])
    ours, theirs = waits[SERVE], waits[EMPTY]
    middle, late = statistics.median(one.p50 for one in ours), max(one.late for one in (*ours, *theirs))
    least_p99 = statistics.median(one.p99 for one in waits[LEAST])
    took = {name: f"{microseconds:.0f} us" for name, microseconds in details["processor_us"].items()}
    remark = (
        f"half of ours within {middle:.2g} ms; a signature check and a row in SQLite, and nothing else, {least_p99:.3g} "
        f"ms; fdatasync takes {details['fdatasync_ms']['p99']:.2g} ms (p99), and who comes while one is under way waits "
        f"for two; a delivery takes {took[SERVE]} of processor time at this rate, what becomes of it included, "
        f"{took[LEAST]} there, and a request {took[EMPTY]} in the empty handler; sent at most {late:.2g} ms late (p99)"
    )
    figure = Figure([one.p99 for one in ours], [one.p99 for one in theirs], "ms")
    return replace(unmeasured, figure=figure, remark=remark, doubt=_doubt(ours) or _doubt(theirs))


def _doubt(turns: Sequence[Paced]) -> str:
    """Whether who sent was so late, although a connection was free, that the times tell of him."""
    late, p99 = statistics.median(one.late for one in turns), statistics.median(one.p99 for one in turns)
    if late <= p99 / 2:
        return ""
    return f"deliveries left {late:.2g} ms late on this busy machine where a p99 of {p99:.2g} ms was measured"


def _limits(rates: Mapping[str, Sequence[float]], details: Mapping[str, Any]) -> str:
    if not details:
        return ""
    reached = Figure(rates[LEAST], rates[EMPTY], "a second")
    smallest, largest = reached.spread
    stages = "; ".join(f"{stage} {microseconds:.0f}" for stage, microseconds in details["stages_us"].items())
    sync = details["fdatasync_ms"]["p50"]
    left = 1e6 / SHARE / statistics.median(rates[EMPTY]) - 1e6 / statistics.median(rates[LEAST])
    return (
        f"a signature check and a row in SQLite, and nothing else: {reached.median:.3g} ({smallest:.3g} to "
        f"{largest:.3g}), so that the goal leaves {left:.0f} us for all that serve does beside that; fdatasync takes {sync:.2g} ms (median); microseconds of processor time, without sockets: {stages}"
    )
