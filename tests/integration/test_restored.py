"""After a restore nothing is doubled, though the store knows less than the cards of the portal show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from badge_bridge.attaching import FORGOTTEN_FOR
from badge_bridge.store.sqlite.backup import backup
from badge_bridge.store.sqlite.restore import restore
from support.company import Company, ours, portal_of
from support.company_by_hand import HandClock, open_by_hand, work_to_the_end

ANNA, GRACE = "+4917139200011", "+12025550143"


def never() -> bool:
    return False


class Site:
    """A store in a folder, and the portal whose cards it is about."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.portal = portal_of(0, clock=self.clock)
        self.store, self.file = folder / "state.db", folder / "backup.db"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Company]:
        async with open_by_hand(self.store, self.portal, self.clock) as company:
            yield company
            await work_to_the_end(company, self.clock)

    def backup(self) -> None:
        backup(str(self.store), str(self.file), force=True, stopping=never)

    def restore(self) -> None:
        restore(str(self.file), str(self.store), now=self.clock.now, newer_notes="oauth/", stopping=never)


async def began(site: Site) -> None:
    """An installed bridge, a backup while Anna's call waits, and then her badge and one for Grace."""
    async with site.running() as company:
        assert (await company.install()).status == 200
        await company.report(ANNA, call="anna")
        site.backup()
        await company.report(GRACE, call="grace")
    assert len(ours(site.portal)) == 2
    site.clock.now += 3600


async def test_event_that_was_done_after_the_backup_is_not_done_twice(tmp_path: Path) -> None:
    """It waits in the backup, and its activity is on the card: that one is found and taken for its own."""
    site = Site(tmp_path)
    await began(site)
    site.restore()
    async with site.running() as company:
        assert [one.state for one in await company.events()] == ["waiting"]
    async with site.running() as company:
        (event,) = await company.events()
        assert event.outcomes[-1].reason == "it was attached before the store was restored"
        assert len(ours(site.portal)) == 2


@pytest.mark.parametrize("at", [0.0, 7200.0], ids=["before the restore", "it says after"])
async def test_delivery_that_the_backup_does_not_know_is_not_done_twice_when_it_comes_again(
    tmp_path: Path, at: float
) -> None:
    """The sender tries again: it is a new event to this store, and its activity is found by its mark. A sender that
    says another time than the first time is not believed.
    """
    site = Site(tmp_path)
    await began(site)
    site.restore()
    async with site.running() as company:
        await company.report(GRACE, call="grace", at=at)
    async with site.running() as company:
        assert (await company.event("grace")).outcomes[-1].reason == "it was attached before the store was restored"
        assert len(ours(site.portal)) == 2


async def test_badge_that_was_found_again_is_cleared_when_the_call_is_returned(tmp_path: Path) -> None:
    """The ledger knows it as if it had been attached just now."""
    site = Site(tmp_path)
    await began(site)
    site.restore()
    async with site.running() as company:
        await company.report(GRACE, call="grace")
    async with site.running() as company:
        await company.report(GRACE, "answered", at=7200)
    assert sorted((one.owner_id, one.completed) for one in ours(site.portal)) == [(41, False), (45, True)]


async def test_portal_is_not_asked_for_forgotten_badges_when_a_restore_is_long_ago(tmp_path: Path) -> None:
    """An event of now, when no sender tries again what was before, costs no look."""
    site = Site(tmp_path)
    await began(site)
    site.restore()
    async with site.running():
        pass

    async def asked() -> list[str]:
        before = site.portal.journal.last
        async with site.running() as company:
            await company.report(ANNA, at=site.clock.now - began_at)
        return [entry.method for entry in site.portal.journal.since(before)]

    began_at = HandClock().now
    assert "crm.activity.list" in " ".join(await asked())
    site.clock.now += FORGOTTEN_FOR
    assert "crm.activity.list" not in " ".join(await asked())
