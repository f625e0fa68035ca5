"""What one event costs in Firestore, counted against the emulator, and what a month of events costs on Google Cloud.

`python tests/bench/firestore_operations.py [--events 200] [--together 1] [--retained]`, where the Firestore
emulator of the Google Cloud SDK is installed. Real pipeline, real store, the sandbox as the portal. The prices are list
prices, Firestore's those of a multi-region such as nam5 (a single region such as us-central1 costs about half); they
differ by region and change: look yours up and pass them. Ends with 1 where an event did not end as it should, since
then the figures are worthless.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.cloud_prices import DELIVERIES, FREE, PRICES, SWEEPS, Load, Prices, busy_seconds, month, process_seconds
from support.emulators import firestore_emulator, firestore_jar
from support.firestore_bill import Cost
from support.firestore_run import KINDS, Run, run_counted

MIX = "missed=0.2,returned=0.1,answered=0.4,unmatched=0.3"
MOST_TOGETHER = 50
"""No more than a portal's bucket holds: nobody must wait for it, since the clock stands still meanwhile."""
SIZES = (1_000, 100_000, 10_000_000)

_COLUMNS = f"{'reads':>8}{'writes':>8}{'deletes':>9}{'refused':>9}{'round trips':>13}"
_NAMES = {
    "reads": "Firestore reads, 100,000",
    "writes": "Firestore writes, 100,000",
    "deletes": "Firestore deletes, 100,000",
    "pubsub_tib": "Pub/Sub, TiB",
    "million_requests": "functions, million requests",
    "vcpu_second": "functions, vCPU-seconds",
    "gib_second": "functions, GiB-seconds",
    "logs_gib": "logs, GiB",
}


def show(run: Run, prices: Prices) -> None:
    for kind, what in KINDS.items():
        one = run.kinds[kind]
        print(
            f"\n{what}: {one.requests:.2f} requests to the portal, {one.messages:.2f} messages,"
            f" {one.waited:.1f} s waited, ${_dollars(one.cost, prices) * 1e6:.2f} a million in Firestore"
        )
        print(f"    {'':26}{'times':>7}{_COLUMNS}")
        for method, cost in sorted(one.costs.items(), key=lambda item: -_dollars(item[1], prices)):
            print(f"    {method:26}{one.uses.get(method, 0):7.2f}{_row(cost)}")
        print(f"    {'together':26}{'':7}{_row(one.cost)}", flush=True)


def _row(cost: Cost) -> str:
    return f"{cost.reads:8.2f}{cost.writes:8.2f}{cost.deletes:9.2f}{cost.refused:9.2f}{cost.calls:13.2f}"


def _dollars(cost: Cost, prices: Prices) -> float:
    return (cost.reads * prices.reads + cost.writes * prices.writes + cost.deletes * prices.deletes) / 1e5


def show_month(run: Run, load: Load, events: int, prices: Prices, free: Prices) -> None:
    found = month(run, load, events, prices=prices, free=free)
    print(f"\n{events:,} events a month ({', '.join(f'{share:.0%} {kind}' for kind, share in load.mix.items())})")
    print(f"    {'':30}{'used':>14}{'price':>12}{'dollars':>12}{'beyond what is free':>22}")
    for field, name in _NAMES.items():
        used, price = getattr(found.used, field), getattr(prices, field)
        full, billed = getattr(found.full, field), getattr(found.billed, field)
        print(f"    {name:30}{used:14,.3f}{price:12g}{full:12,.2f}{billed:22,.2f}")
    print(f"    {'together':30}{'':14}{'':12}{found.total_without_free:12,.2f}{found.total:22,.2f}")
    work = process_seconds(run, load, events)
    print(
        f"    for {work:,.0f} s of work in process an instance is busy {busy_seconds(work, load.hours):,.0f} s;"
        f" {SWEEPS:,.0f} sweeps read {run.kinds['sweep'].cost.reads * SWEEPS:,.0f} documents",
        flush=True,
    )


def read_mix(text: str) -> Mapping[str, float]:
    mix = {kind: float(share) for kind, _, share in (part.partition("=") for part in text.split(","))}
    if strange := mix.keys() - DELIVERIES.keys():
        raise argparse.ArgumentTypeError(f"no such kind: {', '.join(strange)}; there are {', '.join(DELIVERIES)}")
    return mix


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200, help="of each kind")
    parser.add_argument("--together", type=int, default=1, help="how many come at the same moment")
    parser.add_argument("--retained", action="store_true", help="the rules file has a retention: events are deleted")
    parser.add_argument("--mix", type=read_mix, default=read_mix(MIX), help=f"kinds of a month's events ({MIX})")
    parser.add_argument("--hours", type=float, default=220, help="in which they come: 10 on each of 22 days")
    parser.add_argument("--receive-seconds", type=float, default=0.1, help="that one delivery takes")
    parser.add_argument("--store-seconds", type=float, default=0.012, help="that a round trip to Firestore takes")
    parser.add_argument("--portal-seconds", type=float, default=0.275, help="that a request to the portal takes")
    parser.add_argument("--sweep-seconds", type=float, default=0.1, help="that a sweep takes which finds nothing")
    parser.add_argument("--vcpu", type=float, default=1.0, help="of an instance")
    parser.add_argument("--gib", type=float, default=0.5, help="of an instance")
    parser.add_argument("--log-bytes", type=float, default=2000, help="of the lines for one request")
    prices = parser.add_argument_group("prices in US dollars: they differ by region and change, so look yours up")
    free = parser.add_argument_group("what is free, Firestore a day and all else a month")
    for field, name in _NAMES.items():
        option = field.replace("_", "-")
        prices.add_argument(f"--price-{option}", type=float, default=getattr(PRICES, field), help=name)
        free.add_argument(f"--free-{option}", type=float, default=getattr(FREE, field), help=name)
    return parser.parse_args()


def main() -> int:
    options = read_options()
    if not 1 <= options.together <= MOST_TOGETHER:
        sys.exit(f"--together: 1 to {MOST_TOGETHER}")
    if firestore_jar() is None:
        print("left out: the Firestore emulator of the Google Cloud SDK, or java, is not installed")
        return 0
    logging.disable(logging.ERROR)
    prices, free = (
        Prices(**{field: getattr(options, f"{group}_{field}") for field in _NAMES}) for group in ("price", "free")
    )
    with firestore_emulator() as host:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        run = asyncio.run(run_counted(options.events, together=options.together))
    show(run, prices)
    print(f"\nan event's document has {run.size:,.0f} bytes on average, besides its index entries")
    given: dict[str, Any] = {name: value for name, value in vars(options).items() if name in Load.__slots__}
    load = Load(**given)
    for events in SIZES:
        show_month(run, load, events, prices, free)
    wrong = run.mistakes()
    print(f"\nWRONG: {'; '.join(wrong)}" if wrong else "\nall events ended as they should")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
