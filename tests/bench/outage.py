"""The portal is away for a day while calls go on being missed: how the backlog drains, and how long new events wait.

`python tests/bench/outage.py [--events 20000] [--hours 24] [--rate 2]`, on virtual time, so the figures are the same
on every machine. The whole bridge against the sandbox's limits, 2 requests a second and a burst of 50. It ends with 1
where an event was lost, done twice or counted against, or where the portal had to refuse a request.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.outage_run import Plan, Report, run_outage
from support.portals import run_virtually


def tell(report: Report) -> None:
    waits = report.waits()
    rows = [
        ("events that waited", f"{len(report.old)}"),
        ("tries while the portal was away", f"{report.tried_while_away}"),
        ("it was back, and asked again after, s", f"{report.noticed - report.back:.0f}"),
        ("from then until all that waited was done, s", f"{report.seconds:.0f}"),
        ("requests for that", f"{report.requests}"),
        ("events done for each of them", f"{report.per_request:.1f}"),
        ("fullest bucket of the portal, of 50", f"{report.fullest_bucket():.1f}"),
        ("done later than by their age: the second worst, places", f"{report.out_of_turn()[1]}"),
        ("events that came meanwhile", f"{len(waits)}"),
        ("half of them were done within, s", f"{waits[len(waits) // 2]:.1f}" if waits else "-"),
        ("all of them within, s", f"{waits[-1]:.1f}" if waits else "-"),
    ]
    for name, figure in rows:
        print(f"{name:<58}{figure:>8}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=2.0, help="new events a second once the portal is back")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    wrong: list[str] = []

    async def story() -> None:
        report = await run_outage(Plan(events=options.events, away=options.hours * 3600, rate=options.rate))
        tell(report)
        wrong.extend(report.mistakes())

    run_virtually(story())
    print("; ".join(wrong) or "each event was done once, and none was refused for the limit")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
