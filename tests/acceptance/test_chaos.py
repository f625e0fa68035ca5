"""`make chaos` in short: every blow once, side by side with builds that are broken on purpose; the functions with two."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from chaos.__main__ import storm, storm_on
from chaos.cloud import Cloud
from chaos.mutants import MUTANTS, Mutant
from chaos.report import Report
from chaos.storm import QUICK, SHORT
from support.pubsub_emulator import PubSub

SEED = 1
SEED_OF_FUNCTIONS = 1
QUICKLY_FOUND = (
    "takes a repeat for something new",
    "forgets what it has added",
    "leaves a row of a person who is erased",
)
"""The others need a full run to be found for certain: `make chaos BROKEN=1`."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def broken() -> Mapping[str, Mutant]:
    return {mutant.name: mutant for mutant in MUTANTS if mutant.name in QUICKLY_FOUND}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, broken: Mapping[str, Mutant]) -> Mapping[str, Report]:
    """What the runs came to, by the name of the build; they wait for most of their time."""

    def folder() -> Path:
        return tmp_path_factory.mktemp("chaos")

    async def run() -> list[Report]:
        return await asyncio.gather(
            storm(folder(), SHORT, seed=SEED),
            *(storm_on(mutant, folder(), replace(SHORT, blows=1), seed=SEED) for mutant in broken.values()),
        )

    return dict(zip(("sound", *broken), asyncio.run(run()), strict=True))


def test_books_agree_after_a_storm(reports: Mapping[str, Report]) -> None:
    """Killed, refused by its disk, led by a clock that jumps, before a portal that fails: nothing lost, nothing doubled."""
    report = reports["sound"]
    assert report.wrong == []
    assert [blow for blow, count in report.happened["blows"].items() if not count] == []
    assert [what for what, count in report.happened["load"].items() if not count] == []


@pytest.mark.parametrize("name", QUICKLY_FOUND)
def test_audit_fails_a_build_that_is_broken(
    reports: Mapping[str, Report], broken: Mapping[str, Mutant], name: str
) -> None:
    """With the finding that belongs to what is broken in it."""
    assert broken[name].is_found(reports[name].wrong), reports[name].wrong
    assert not reports[name].is_good


def test_books_of_the_functions_agree_after_a_few_blows(tmp_path: Path, firestore_host: str, pubsub: PubSub) -> None:
    """Deliveries, repeats and forgeries, a kill and a Firestore that cannot be written: each came, and nothing is wrong."""
    kind = partial(Cloud, emulators=(firestore_host, pubsub))
    report = asyncio.run(storm(tmp_path, QUICK, seed=SEED_OF_FUNCTIONS, kind=kind))
    load, blows = report.happened["load"], report.happened["blows"]
    assert report.wrong == []
    assert load["calls answered 2xx"]
    assert load["repeats recognised"]
    assert sum(count for what, count in load.items() if what.startswith("forgeries refused"))
    assert [blow for blow in (*QUICK.kinds, "deliveries answered 503") if not blows[blow]] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_broken_build_can_be_made_of_the_package_as_it_is(mutant: Mutant, tmp_path: Path) -> None:
    """What a build breaks is still there to be broken, and the result is Python."""
    compile((mutant.build(tmp_path) / "badge_bridge" / mutant.module).read_text("utf-8"), mutant.module, "exec")
