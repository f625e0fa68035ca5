"""Many portals served by one, two, four and eight instances: what sharing them costs, and whether anything is lost.

`python tests/bench/many_portals.py [--portals 200] [--deliveries 1250] [--rate 50] [--instances 1 2 4 8]`, on virtual
time: the figures are the same on every machine, and how fast that is says nothing. The code is the real one; the store
is in memory and as slow as Firestore is, the messages are delivered late, twice or not at all. It ends with 1 where a
delivery was lost, an activity doubled, a badge was left or missing, or a portal had to refuse a request for its limit.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from badge_bridge.rulesfile import document

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.distant_store import Delays
from support.many_portals import Plan, Report, simulate
from support.portals import run_virtually

HOT = "p1"


def at(share: float, waits: Sequence[float]) -> str:
    return f"{waits[min(len(waits) - 1, int(len(waits) * share))]:.2f}" if waits else "-"


def rows(report: Report) -> list[tuple[str, str]]:
    """What is told of a run: the name of each figure, and the figure."""
    waits, hot, lost = report.waits(), report.waits(portal=HOT), report.waits(lost=True)
    calls, deliveries = report.shared.calls, len(report.calls)
    return [
        ("receipt to badge, half of them, s", at(0.5, waits)),
        ("receipt to badge, 99 of 100, s", at(0.99, waits)),
        ("the busy portal, half of them, s", at(0.5, hot)),
        ("the busy portal, 99 of 100, s", at(0.99, hot)),
        ("deliveries for each portal request", f"{report.per_request():.2f}"),
        ("the same in the busy portal", f"{report.per_request(HOT):.2f}"),
        ("most requests of a portal in 1 s", f"{report.most_in_a_second()}"),
        ("fullest bucket of a portal, of 50", f"{report.fullest_bucket():.1f}"),
        ("refused for the limit", f"{report.refused}"),
        ("draws from buckets", f"{calls['draw']}"),
        ("conflicts on buckets", f"{report.shared.conflicts}"),
        ("most writes of a bucket in 1 s", f"{report.shared.busiest_bucket}"),
        ("the same in its busiest minute, /s", f"{report.shared.busiest_minute():.2f}"),
        ("calls of the store for a delivery", f"{sum(calls.values()) / deliveries:.2f}"),
        ("messages lost", f"{len(report.lost)}"),
        ("of them found, the last after, s", at(1.0, lost)),
        ("messages delivered twice", f"{report.twice}"),
        ("attempts by sweeps", f"{report.swept}"),
        ("activities added twice", f"{len(report.doubled())}"),
        ("deliveries not ended", f"{len(report.not_ended())}"),
        ("the rules file, KiB", f"{report.rules_size / 1024:.0f}"),
        ("an instance opened after, s", f"{report.opened:.1f}"),
        ("all over after, s", f"{report.seconds:.0f}"),
    ]


async def run(plan: Plan, instances: int, reports: dict[int, Report]) -> None:
    started = time.perf_counter()
    reports[instances] = await simulate(plan, instances)
    print(f"{instances} instances: simulated in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    plan = Plan()
    parser.add_argument("--portals", type=int, default=plan.portals)
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--deliveries", type=int, default=1250, help="in each run")
    parser.add_argument("--rate", type=float, default=plan.rate, help="deliveries a second")
    parser.add_argument("--hot", type=float, default=plan.hot, help="share of them for one busy portal")
    parser.add_argument("--answered", type=float, default=plan.answered, help="share that clears badges")
    parser.add_argument("--twice", type=float, default=plan.twice, help="share of messages that come twice")
    parser.add_argument("--lost", type=float, default=plan.lost, help="share of messages that never come")
    parser.add_argument("--customers", type=int, default=plan.customers, help="of each portal")
    parser.add_argument("--accept-seconds", type=float, default=plan.delays.accept)
    parser.add_argument("--transaction-seconds", type=float, default=plan.delays.transaction)
    parser.add_argument("--query-seconds", type=float, default=plan.delays.query)
    parser.add_argument("--seed", type=int, default=plan.seed)
    return parser.parse_args()


def main() -> int:
    options = read_options()
    if not 1 <= options.portals <= 10_000:
        sys.exit("--portals: 1 to 10000")
    logging.disable(logging.ERROR)
    plan = Plan(
        portals=options.portals,
        customers=options.customers,
        deliveries=options.deliveries,
        rate=options.rate,
        hot=options.hot,
        answered=options.answered,
        twice=options.twice,
        lost=options.lost,
        delays=Delays(options.accept_seconds, options.transaction_seconds, options.query_seconds),
        seed=options.seed,
    )
    reports: dict[int, Report] = {}
    for instances in options.instances:
        run_virtually(run(plan, instances, reports))
    print(f"{plan.portals} portals, {plan.deliveries} deliveries at {plan.rate:g}/s, {plan.hot:.0%} for one of them")
    print(f"{'instances':36}" + "".join(f"{instances:>10}" for instances in reports))
    for row in zip(*map(rows, reports.values()), strict=True):
        print(f"{row[0][0]:36}" + "".join(f"{figure:>10}" for _, figure in row))
    if next(iter(reports.values())).rules_size > document.MAX_BYTES:
        print(f"no bridge reads such a rules file: it has more than {document.MAX_BYTES // 1024} KiB")
    wrong = {instances: mistakes for instances, report in reports.items() if (mistakes := report.mistakes())}
    for instances, mistakes in wrong.items():
        print(f"WRONG with {instances} instances: {'; '.join(mistakes)}")
    print("failed" if wrong else "nothing was lost, nothing doubled, nothing refused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
