"""Missed calls while the portal fails at random: what struck, and whether each call has its one activity.

`python tests/bench/portal_faults.py [--events 2000] [--seed 7] [--each 300]`: first the sandbox as it is, then, with
fewer events, each behaviour that the portal's documentation leaves open. On virtual time, so that a day takes seconds.
It ends with 1 where anything was wrong, where a fault never struck, or where a behaviour was never met.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.fault_run import FAULTS, RACE, VARIANTS, run_with_faults
from support.portals import run_virtually
from support.webhook_run import STRIKING, run_by_webhook


def tell(name: str, requests: int, started: float, struck: Mapping[str, int], wrong: Sequence[str]) -> bool:
    """Print how a run ended; whether all was well."""
    verdict = "; ".join(wrong) or "all as it should be"
    print(f"{name}: {requests} requests, {time.perf_counter() - started:.1f} s: {'WRONG: ' if wrong else ''}{verdict}")
    print(f"    struck: {', '.join(f'{fault} {count}' for fault, count in struck.items())}", flush=True)
    return not wrong


async def with_faults(name: str, events: int, seed: int, variants: Mapping[str, Any], ended: dict[str, bool]) -> None:
    started = time.perf_counter()
    books = await run_with_faults(events, variants=variants, seed=seed)
    wrong = [*books.mistakes(), *books.untried()]
    struck = {fault: books.struck[fault] for fault in (*FAULTS, RACE)}
    ended[name] = tell(f"{name}, {events} missed calls", books.requests, started, struck, wrong)
    print(f"    variants met: {', '.join(f'{variant} {count}' for variant, count in sorted(books.met.items()))}")


async def by_webhook(name: str, events: int, seed: int, ended: dict[str, bool]) -> None:
    started = time.perf_counter()
    registry = await run_by_webhook(events, seed=seed)
    wrong = [*registry.mistakes(), *registry.untried()]
    struck = {fault: registry.struck[fault] for fault in (*STRIKING, RACE)}
    ended[name] = tell(f"{name}, {events} missed calls", registry.requests, started, struck, wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--each", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    ended: dict[str, bool] = {}
    run_virtually(with_faults("as it is", options.events, options.seed, {}, ended))
    for variants in VARIANTS:
        name = ", ".join(f"{key}={value or 'empty'}" for key, value in variants.items())
        run_virtually(with_faults(name, options.each, options.seed, variants, ended))
    run_virtually(by_webhook("badges_by_webhook=refused", options.each, options.seed, ended))
    failed = [name for name, well in ended.items() if not well]
    print(f"failed: {'; '.join(failed)}" if failed else f"all {len(ended)} runs were as they should be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
