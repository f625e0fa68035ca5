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

from chaos.cloud import Cloud
from chaos.embedded import Embedded
from chaos.mutants import MUTANTS, Mutant
from chaos.report import Report
from chaos.storm import FEW, Length, Storm
from chaos.world import PACKAGE
from support.emulators import firestore_jar
from support.pubsub_emulator import pubsub_jar

__all__ = ["storm", "storm_on"]

SIDE_BY_SIDE = 3
"""Runs against broken builds at a time: they wait for most of theirs."""


async def storm(
    folder: Path, length: Length, *, seed: int, package: Path = PACKAGE, kind: type[Embedded | Cloud] = Embedded
) -> Report:
    """A whole run with its files in `folder`, against the package that is in `package`."""
    world = kind(folder, seed=seed, package=package)
    try:
        return await Storm(world, length, seed=seed).run()
    finally:
        world.close()


async def storm_on(mutant: Mutant, folder: Path, length: Length = FEW, *, seed: int) -> Report:
    """A run against a broken build that is made in `folder`."""
    package = folder / "package"
    package.mkdir(parents=True)
    return await storm(folder, length, seed=seed, package=mutant.build(package))


def main() -> None:
    parser = argparse.ArgumentParser(prog="chaos", description="A storm on the bridge, and an audit.")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the files of the run in this folder, which is new")
    parser.add_argument("--cloud", action="store_true", help="the functions over emulators instead of serve")
    parser.add_argument("--broken", action="store_true", help="storm on builds that are broken on purpose")
    options = parser.parse_args()
    if options.cloud and not (firestore_jar() and pubsub_jar()):
        parser.error("the Firestore and Pub/Sub emulators of the Google Cloud SDK, or java, are not installed")
    with TemporaryDirectory(prefix="badge-bridge-chaos-") as temporary:
        folder = options.keep or Path(temporary)
        if options.broken:
            sys.exit(0 if asyncio.run(_break(folder, options.seed)) else 1)
        folder.mkdir(exist_ok=bool(not options.keep))
        began, kind = time.monotonic(), Cloud if options.cloud else Embedded
        print(f"rounds {options.rounds}, seed {options.seed}", flush=True)
        report = asyncio.run(storm(folder, Length(options.rounds), seed=options.seed, kind=kind))
        print(f"{report}\nrounds {options.rounds}, seed {options.seed}, {time.monotonic() - began:.0f} s")
    sys.exit(0 if report.is_good else 1)


async def _break(folder: Path, seed: int) -> bool:
    """Storm on every broken build; whether the audit failed them all."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def fails(number: int, mutant: Mutant) -> bool:
        async with room:
            wrong = (await storm_on(mutant, folder / str(number), seed=seed)).wrong
        found = mutant.is_found(wrong)
        said = "failed, as it should" if found else "PASSED"
        print("\n    ".join([f"{said}: a build that {mutant.name}", *wrong[:3]]), flush=True)
        return found

    return all(await asyncio.gather(*(fails(*one) for one in enumerate(MUTANTS, start=1))))


if __name__ == "__main__":
    main()
