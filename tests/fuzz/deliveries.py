"""Fuzzes every source through the HTTP surface: python tests/fuzz/deliveries.py [requests] [seed].

Nothing but the controls may be accepted, nothing may end in 5xx, and no provider may get too few controls or valid
deliveries with one change. Exit code 1 otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fuzz_run import run

REQUESTS = 200_000
SEED = 20_251_122


def main() -> int:
    logging.disable(logging.CRITICAL)
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    start = time.perf_counter()
    report = asyncio.run(run(requests, seed))
    took = time.perf_counter() - start
    print(report.table())
    print(f"statuses: {dict(sorted(report.statuses.items()))}")
    print(f"{requests:,} requests, seed {seed}, {took:.0f} s, {len(report.wrong)} wrong")
    for line in report.wrong[:20]:
        print(line)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
