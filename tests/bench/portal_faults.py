"""Missed calls while the portal fails at random: what struck, and whether each call has its one activity.

`python tests/bench/portal_faults.py [--events 2000] [--seed 7] [--each 300]`: first the sandbox as it is, then, with
fewer events, each behaviour that the portal's documentation leaves open. On virtual time, so that a day takes seconds.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.fault_run import FAULTS, VARIANTS, run_with_faults
from support.portals import run_virtually


async def told(name: str, events: int, seed: int, variants: dict[str, object]) -> None:
    started = time.perf_counter()
    books = await run_with_faults(events, variants=variants, seed=seed)
    struck = ", ".join(f"{fault} {books.struck[fault]}" for fault in FAULTS)
    verdict = "; ".join(books.mistakes()) or "one activity for each call, returned ones cleared, no token lost"
    print(f"{name}: {events} missed calls, {books.requests} requests, {time.perf_counter() - started:.1f} s: {verdict}")
    print(f"    struck: {struck}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--each", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    run_virtually(told("as it is", options.events, options.seed, {}))
    for variants in VARIANTS:
        name = ", ".join(f"{key}={value or 'empty'}" for key, value in variants.items())
        run_virtually(told(name, options.each, options.seed, dict(variants)))


if __name__ == "__main__":
    main()
