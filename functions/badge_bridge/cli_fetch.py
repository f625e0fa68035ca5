"""`badge-bridge fetch`: asking the portals now for calls whose event did not come."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from badge_bridge.cli_options import (
    JsonOption,
    PortalOption,
    RulesOption,
    StateOption,
    chosen,
    load_rules,
    must_be_kept,
    opened_store,
    quiet,
    read_settings,
    run,
    say,
    unused_store,
)
from badge_bridge.cli_subjects import opened_portals
from badge_bridge.plural import counted

if TYPE_CHECKING:
    from badge_bridge.backfill import Backfill, Found
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.rulesfile.usage import Fetching
    from badge_bridge.settings import Settings

__all__ = ["fetch"]

Status = Literal["read", "first", "anew", "elsewhere", "failed", "left out"]

_INTERRUPTED = "interrupted; what was read until then is kept, and the next look goes on where it was"


def fetch(
    rules: RulesOption = None,
    state: StateOption = None,
    portal: PortalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the portals' call statistics now for calls whose event did not come, as serve does each minute."""
    settings, loaded = load_rules(read_settings(rules, state))
    quiet(loaded)
    must_be_kept(settings, "fetch")
    # Before it is opened here: what is asked is whether anybody else has it open.
    served = not unused_store(settings) if settings.state.startswith("sqlite:") else None
    reports = run(_fetch(loaded, chosen(loaded, portal), settings, as_json=as_json), interrupted=_INTERRUPTED)
    if as_json:
        told = {"served": served, "portals": {report.portal: report.to_json() for report in reports}}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    elif any(report.new for report in reports):
        print(_WORKED_ON[served])
    if not all(report.is_well for report in reports):
        sys.exit(1)


_WORKED_ON: Mapping[bool | None, str] = {
    True: "serve works on what is new within seconds",
    False: "no serve runs on this store: what is new waits for it",
    None: "the function sweep sees to what is new within a minute or two",
}
"""What becomes of new events, by whether a `serve` has the store; None where that cannot be known."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What came of one portal: `found` says it, and `mend` what to do."""

    portal: str
    source: str
    status: Status
    found: str
    mend: str = ""
    came: Found | None = None

    @property
    def is_well(self) -> bool:
        return self.status not in ("elsewhere", "failed")

    @property
    def new(self) -> int:
        return self.came.new if self.came is not None else 0

    def to_json(self) -> dict[str, Any]:
        names = ("read", "new", "old", "unreadable")
        counts = {name: getattr(self.came, name) for name in names} if self.came is not None else {}
        told = {"status": self.status, "source": self.source, "found": self.found, "mend": self.mend}
        return {**told, **counts}


async def _fetch(rules: RulesFile, names: Sequence[str], settings: Settings, *, as_json: bool) -> Sequence[_Report]:
    from badge_bridge.rulesfile.usage import fetching
    from badge_bridge.terminal_progress import progress

    wanted = fetching(rules)
    reports = []
    async with _opened(rules, [name for name in names if wanted[name].source], settings) as backfill:
        for name in names:
            came = None
            if wanted[name].source:
                with progress(f"portal {name}: calls") as bar:
                    came = await backfill.catch_up(name, bar.at)
            reports.append(_report(name, wanted[name], came))
            if not as_json:
                _tell(reports[-1])
    return reports


@asynccontextmanager
async def _opened(rules: RulesFile, names: Sequence[str], settings: Settings) -> AsyncIterator[Backfill]:
    """What fetches in the named portals, for the store of a `serve` that may be running. It wakes nobody."""
    import secrets

    from badge_bridge.accepting import Accepting
    from badge_bridge.backfill import Backfill
    from badge_bridge.sources import build_all

    async def nobody(_: Sequence[str]) -> None:
        """Whoever works on events looks for new ones by himself."""

    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_store(settings))
        portals = await stack.enter_async_context(opened_portals(rules, names, settings, store))
        sources = build_all(rules.sources)
        yield Backfill(
            rules=rules,
            sources=sources,
            portals=portals,
            accepting=Accepting(rules=rules, sources=sources, store=store, wake=nobody, clock=time.time),
            store=store,
            clock=time.time,
            holder=secrets.token_hex(16),
        )


def _report(portal: str, wanted: Fetching, came: Found | None) -> _Report:
    from badge_bridge.portal.doctor.check import refused
    from badge_bridge.portal.doctor.lost_calls import left_out, unreadable

    if came is None:
        verdict = left_out(wanted)
        assert verdict is not None, "what has a source is looked at"
        return _Report(portal, "", "left out", verdict.found, verdict.mend)
    if came.refused is not None:
        verdict = unreadable(came.refused, wanted)
    elif came.error is not None:
        verdict = refused(came.error)
    else:
        status, found = _in_words(wanted.source, came)
        return _Report(portal, wanted.source, status, found, came=came)
    # What was read before is kept.
    before = f"{_counts(wanted.source, came)}. Then: " if came.read else ""
    return _Report(portal, wanted.source, "failed", f"{before}{verdict.found}", verdict.mend, came)


def _in_words(source: str, came: Found) -> tuple[Status, str]:
    if came.elsewhere:
        return "elsewhere", "another process is looking right now; again in a minute"
    history = "calls are fetched from now on, and what is there already is history"
    if came.begins == "first":
        return "first", f"seen for the first time: {history}"
    if came.begins == "anew":
        before = f"{_counts(source, came)}. Then: " if came.read else ""
        changed = "the numbers of its calls are not those of before, so it counts as seen for the first time"
        return "anew", f"{before}{changed}: {history}"
    return "read", _counts(source, came) if came.read else "nothing new: no call has ended since the last look"


def _counts(source: str, came: Found) -> str:
    """`312 calls read for source office: 12 new, which are events now; 300 whose event had come`."""
    parts = (
        (came.new, "new, which is an event now" if came.new == 1 else "new, which are events now"),
        (came.read - came.new - came.old - came.unreadable, "whose event had come"),
        (came.old, "from more than seven days ago, left out"),
        (came.unreadable, "that cannot be read, left out"),
    )
    told = "; ".join(f"{count:,} {what}" for count, what in parts if count > 0)
    return f"{counted(came.read, 'call')} read for source {source}: {told}"


def _tell(report: _Report) -> None:
    from badge_bridge.terminal_text import harmless

    told = f"portal {report.portal}: {report.found}"
    if report.mend:
        told += f"\n→ {report.mend}"
    if report.is_well:
        print(harmless(told))
    else:
        say(told)
