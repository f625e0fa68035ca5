"""`python -m chaos [--rounds 50] [--seed 1]`: prints what happened how often, and the verdict; ends with 1 where anything
was wrong, or where something never happened. With `--broken 1` it storms on builds that are broken on purpose, and ends
with 1 where one of them passes; with `--broken NAME` on one of them, with `--broken list` it prints their names.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
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

__all__ = ["said_of_rounds", "storm", "storm_on"]

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
    parser.add_argument("--broken", metavar="NAME", help="storm on a build that is broken on purpose; 1: on all; list")
    options = parser.parse_args()
    if options.broken == "list":
        print("\n".join(mutant.name for mutant in MUTANTS))
        return
    chosen = [mutant for mutant in MUTANTS if options.broken in ("1", mutant.name)]
    if options.broken and not chosen:
        parser.error(f"there is no broken build {options.broken!r}; --broken list prints their names")
    if options.cloud and not (firestore_jar() and pubsub_jar()):
        parser.error("the Firestore and Pub/Sub emulators of the Google Cloud SDK, or java, are not installed")
    with TemporaryDirectory(prefix="badge-bridge-chaos-") as temporary:
        folder = options.keep or Path(temporary)
        if options.broken:
            sys.exit(0 if asyncio.run(_break(chosen, folder, options.seed)) else 1)
        folder.mkdir(exist_ok=bool(not options.keep))
        began, kind = time.monotonic(), Cloud if options.cloud else Embedded
        length = Length(options.rounds)
        print(
            f"rounds {options.rounds}, and up to {length.extra} more until every fault has struck; seed {options.seed}",
            flush=True,
        )
        report = asyncio.run(storm(folder, length, seed=options.seed, kind=kind))
        print(
            f"{report}\n{said_of_rounds(options.rounds, report)}, seed {options.seed}, {time.monotonic() - began:.0f} s"
        )
    sys.exit(0 if report.is_good else 1)


def said_of_rounds(wanted: int, report: Report) -> str:
    """How many there were, and what those were for that nobody has asked for."""
    extra = report.told["rounds"] - wanted
    return f"rounds {wanted}" + (f" and {extra} more for faults that had not struck yet" if extra else "")


async def _break(mutants: Sequence[Mutant], folder: Path, seed: int) -> bool:
    """Storm on broken builds; whether the audit failed them all."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def fails(number: int, mutant: Mutant) -> bool:
        async with room:
            wrong = (await storm_on(mutant, folder / str(number), seed=seed)).wrong
        found = mutant.is_found(wrong)
        said = "failed, as it should" if found else "PASSED"
        print("\n    ".join([f"{said}: a build that {mutant.name}", *wrong[:3]]), flush=True)
        return found

    return all(await asyncio.gather(*(fails(*one) for one in enumerate(mutants, start=1))))


if __name__ == "__main__":
    main()
