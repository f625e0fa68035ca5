"""Times without a zone need the zones of the world, wherever the bridge runs."""

from __future__ import annotations

import sys
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from badge_bridge.sources.wall_clock import TimeZone, read_wall_clock, wall_clock


@pytest.fixture
def slim() -> Iterator[None]:
    """A system without files of time zones, as slim images are."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=before)
    zoneinfo.ZoneInfo.clear_cache()


def test_zone_is_known_when_the_system_has_none(slim: None) -> None:
    """The zones come with a package, so that a rules file which is right on one machine is right on all."""
    zone = TypeAdapter(TimeZone).validate_python("Europe/Berlin")
    assert read_wall_clock("2026-07-01 12:00:00", zone) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert wall_clock(datetime(2026, 1, 1, tzinfo=UTC).timestamp(), zone) == "2026-01-01 01:00:00"


def test_zone_is_not_known_when_neither_system_nor_package_has_it(slim: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the package that makes the difference: without it the rules file is refused."""
    for name in [name for name in sys.modules if name.split(".")[0] == "tzdata"] or ["tzdata"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValidationError, match="knows no such time zone"):
        TypeAdapter(TimeZone).validate_python("Europe/Berlin")
