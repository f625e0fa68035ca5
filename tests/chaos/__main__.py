"""`python -m chaos [--rounds 50] [--seed 1]`: prints what happened how often, and the verdict; ends with 1 where anything
was wrong, or where something never happened. With `--broken 1` it storms on builds that are broken on purpose, and ends
with 1 where one of them passes; with `--broken NAME` on one of them, with `--broken list` it prints their names. With
`--cloud` all this is done to the functions. What cannot be done is told in one line, with 2.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from chaos.cloud import Cloud
from chaos.embedded import Embedded
from chaos.mutants import MUTANTS, Mutant
from chaos.progress import Say, in_lines, nothing, shown
from chaos.report import Report
from chaos.storm import FEW, Length, Storm
from chaos.world import PACKAGE, World
from support.emulators import firestore_jar
from support.pubsub_emulator import pubsub_jar

__all__ = ["said_of_rounds", "storm", "storm_on"]

ROUNDS = 50
Kind = Callable[..., World]
"""Makes what a storm strikes, of a folder, a seed and a package."""
SIDE_BY_SIDE: Mapping[Kind, int] = {Embedded: 3, Cloud: 1}
"""Runs against broken builds at a time: they wait for most of theirs; but two emulators and four functions are much."""


async def storm(
    folder: Path, length: Length, *, seed: int, package: Path = PACKAGE, kind: Kind = Embedded, say: Say = nothing
) -> Report:
    """A whole run with its files in `folder`, against the package that is in `package`."""
    world = kind(folder, seed=seed, package=package)
    try:
        return await Storm(world, length, seed=seed, say=say).run()
    finally:
        world.close()


async def storm_on(
    mutant: Mutant,
    folder: Path,
    length: Length = FEW,
    *,
    seed: int,
    kind: Kind = Embedded,
    say: Say = nothing,
) -> Report:
    """A run against a broken build that is made in `folder`."""
    package = folder / "package"
    package.mkdir(parents=True)
    return await storm(folder, length, seed=seed, package=mutant.build(package), kind=kind, say=say)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _rounds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds; give 1 or more")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; give a whole number")
    return int(text)


def main() -> None:
    parser = _Parser(prog="chaos", description="A storm on the bridge, and an audit.")
    parser.add_argument("--rounds", type=_rounds, help=f"{ROUNDS}, or {FEW.rounds} for each broken build")
    parser.add_argument("--seed", type=_seed, default=1)
    parser.add_argument("--keep", type=Path, help="keep the files of the run in this folder, which is new")
    parser.add_argument("--cloud", action="store_true", help="the functions over emulators instead of serve")
    parser.add_argument("--broken", metavar="NAME", help="storm on a build that is broken on purpose; 1: on all; list")
    options = parser.parse_args()
    kind: Kind = Cloud if options.cloud else Embedded
    broken = [mutant for mutant in MUTANTS if not (options.cloud and mutant.is_of_file)]
    if options.broken == "list":
        print("\n".join(mutant.name for mutant in broken))
        return
    chosen = [mutant for mutant in broken if options.broken in ("1", mutant.name)]
    if options.broken and not chosen:
        if any(mutant.name == options.broken for mutant in MUTANTS):
            parser.error(
                f"what {options.broken!r} breaks is the store in a file, which the functions have not;"
                " leave --cloud (CLOUD=1) away"
            )
        parser.error(f"there is no broken build {options.broken!r}; --broken list prints their names")
    if options.cloud and not (firestore_jar() and pubsub_jar()):
        parser.error("the Firestore and Pub/Sub emulators of the Google Cloud SDK, or java, are not installed")
    if options.keep:
        try:
            options.keep.mkdir()
        except OSError as error:
            parser.error(f"--keep {options.keep}: {error.strerror}; name a new folder in one that is there")
    with TemporaryDirectory(prefix="badge-bridge-chaos-") as temporary:
        folder = options.keep or Path(temporary)
        if options.broken:
            length = Length(options.rounds, extra=0) if options.rounds else FEW
            sys.exit(0 if asyncio.run(_break(chosen, folder, length, options.seed, kind)) else 1)
        began = time.monotonic()
        length = Length(options.rounds or ROUNDS)
        print(
            f"rounds {length.rounds}, and up to {length.extra} more until every fault has struck; seed {options.seed}",
            flush=True,
        )
        with shown(length.rounds) as say:
            report = asyncio.run(storm(folder, length, seed=options.seed, kind=kind, say=say))
        print(
            f"{report}\n{said_of_rounds(length.rounds, report)}, seed {options.seed}, {time.monotonic() - began:.0f} s"
        )
    sys.exit(0 if report.is_good else 1)


def said_of_rounds(wanted: int, report: Report) -> str:
    """How many there were, and what those were for that nobody has asked for."""
    extra = report.told["rounds"] - wanted
    return f"rounds {wanted}" + (f" and {extra} more for faults that had not struck yet" if extra else "")


async def _break(mutants: Sequence[Mutant], folder: Path, length: Length, seed: int, kind: Kind) -> bool:
    """Storm on broken builds; whether the audit failed them all."""
    room = asyncio.Semaphore(SIDE_BY_SIDE[kind])

    async def fails(number: int, mutant: Mutant) -> bool:
        async with room:
            say = in_lines(mutant.name)
            report = await storm_on(mutant, folder / str(number), length, seed=seed, kind=kind, say=say)
        wrong = report.wrong
        found = mutant.is_found(wrong)
        said = "failed, as it should" if found else "PASSED"
        print("\n    ".join([f"{said}: a build that {mutant.name}", *wrong[:3]]), flush=True)
        return found

    return all(await asyncio.gather(*(fails(*one) for one in enumerate(mutants, start=1))))


if __name__ == "__main__":
    main()
