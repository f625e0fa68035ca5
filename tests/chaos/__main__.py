"""`python -m chaos [--rounds 50] [--seed 1]`: prints what happened how often, and the verdict; ends with 1 where anything
was wrong, or where something never happened. With `--broken` it storms on builds that are broken on purpose, and ends
with 1 where one of them passes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.mutants import MUTANTS, Mutant
from chaos.report import Report
from chaos.storm import SHORT, Length, Storm
from chaos.world import PACKAGE, World

__all__ = ["storm", "storm_on"]


async def storm(folder: Path, length: Length, *, seed: int, package: Path = PACKAGE) -> Report:
    """A whole run with its files in `folder`, against the package that is in `package`."""
    world = World(folder, seed=seed, package=package)
    try:
        return await Storm(world, length, seed=seed).run()
    finally:
        world.close()


async def storm_on(mutant: Mutant, folder: Path, length: Length = SHORT, *, seed: int) -> Report:
    """A run against a broken build that is made in `folder`."""
    package = folder / "package"
    package.mkdir()
    return await storm(folder, length, seed=seed, package=mutant.build(package))


def main() -> None:
    parser = argparse.ArgumentParser(prog="chaos", description="A storm on the bridge, and an audit.")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the files of the run in this folder, which is new")
    parser.add_argument("--broken", action="store_true", help="storm on builds that are broken on purpose")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="badge-bridge-chaos-") as temporary:
        folder = options.keep or Path(temporary)
        if options.broken:
            sys.exit(0 if _break(folder, options.seed) else 1)
        folder.mkdir(exist_ok=bool(not options.keep))
        began = time.monotonic()
        print(f"rounds {options.rounds}, seed {options.seed}", flush=True)
        report = asyncio.run(storm(folder, Length(options.rounds), seed=options.seed))
        print(f"{report}\nrounds {options.rounds}, seed {options.seed}, {time.monotonic() - began:.0f} s")
    sys.exit(0 if report.is_good else 1)


def _break(folder: Path, seed: int) -> bool:
    """Storm on every broken build; whether the audit failed them all."""
    passed = []
    for number, mutant in enumerate(MUTANTS, start=1):
        place = folder / str(number)
        place.mkdir(parents=True)
        wrong = asyncio.run(storm_on(mutant, place, seed=seed)).wrong
        found = mutant.is_found(wrong)
        print(f"{'failed, as it should' if found else 'PASSED'}: a build that {mutant.name}", flush=True)
        for one in wrong[:3]:
            print(f"    {one}", flush=True)
        passed += [] if found else [mutant]
    return not passed


if __name__ == "__main__":
    main()
