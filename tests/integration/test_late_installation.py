"""A bridge that runs before its application is installed, against the sandbox portal, on virtual time."""

from __future__ import annotations

import asyncio
import logging

import pytest

from support.company import open_company
from support.portals import run_virtually


def test_an_application_that_is_not_installed_is_told_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    """With both ways in, and before any call has been missed; an installation that comes later is told of."""
    caplog.set_level(logging.WARNING)

    async def story() -> None:
        heard: list[str] = []
        async with open_company(installed=heard.append) as company:
            assert heard == ["main"]
            await company.install()
            assert heard == ["main", "main"]
            await asyncio.sleep(3600)
            assert heard == ["main", "main"]

    run_virtually(story())
    (told,) = [record for record in caplog.records if "the application is not installed" in record.message]
    assert told.levelname == "WARNING"
    assert "/install" in told.message
    assert "badge-bridge authorize main" in told.message
