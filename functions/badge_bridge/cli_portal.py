"""`badge-bridge doctor`: looking at this machine, the rules file and the portals."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import typer

from badge_bridge.cli_clear import clear
from badge_bridge.cli_erase import erase
from badge_bridge.cli_fetch import fetch
from badge_bridge.cli_options import (
    JsonOption,
    PortalOption,
    RulesOption,
    StateOption,
    chosen,
    missing_store,
    quiet,
    read_settings,
    run,
)
from badge_bridge.cli_resume import resume
from badge_bridge.cli_subjects import opened_subjects
from badge_bridge.cli_sync import sync

if TYPE_CHECKING:
    from badge_bridge.portal.doctor import Check
    from badge_bridge.settings import Settings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Put the commands for an operator of a portal into the application.

    They call the portal beside a running `serve` and with pauses of their own: what has paused the portal there must
    not keep anybody from mending it.
    """
    app.command()(sync)
    app.command()(doctor)
    app.command()(fetch)
    app.command()(resume)
    app.command()(clear)
    app.command()(erase)


def doctor(
    rules: RulesOption = None,
    portal: PortalOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check this machine, the rules file and the portals, and say what to do, or click, to mend each trouble."""
    from badge_bridge.terminal_portal import print_checks

    groups = run(_doctor(read_settings(rules, state), portal))
    if as_json:
        shown = {heading: [asdict(check) for check in checks] for heading, checks in groups.items()}
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        print_checks(groups)
    if any(check.status == "failed" for checks in groups.values() for check in checks):
        sys.exit(1)


async def _doctor(settings: Settings, portal: str | None) -> dict[str, list[Check]]:
    """The checks, those of this machine under `bridge` and those of each portal under its name."""
    from badge_bridge import local_checks
    from badge_bridge.portal.doctor import Check, RealNetwork, examine, lanes_of
    from badge_bridge.rulesfile.usage import usage

    settings, loaded, local = await local_checks.check_rules(settings, os.environ)
    if loaded is None:
        local += await local_checks.check_store(settings.state, [], now=time.time())
        local += local_checks.check_disk(settings.state)
        return {"bridge": local}
    quiet(loaded)
    needs = usage(loaded)
    names = chosen(loaded, portal)
    applications = [name for name, one in loaded.portals.items() if one.app is not None]
    key = local_checks.check_encryption_key(applications, is_set=bool(settings.encryption_keys))
    local.append(key)
    local += local_checks.check_sources(loaded)
    lanes = [lane for name in names for lane in lanes_of(name, needs[name])]
    kept = await local_checks.check_store(settings.state, lanes, now=time.time(), sources=loaded.sources)
    local += [*kept, *local_checks.check_disk(settings.state)]
    groups = {"bridge": local}
    # An application's tokens are in the store, under the key; a webhook needs neither.
    culprit = next((check.name for check in (key, *kept) if check.status == "failed"), "")
    lacking = [name for name in names if culprit and name in applications]
    for name in lacking:
        groups[f"portal {name}"] = [Check("credential", "skipped", f"not looked at, since {culprit} failed")]
    if any(check.status == "failed" for check in kept):
        settings = replace(settings, state="memory:")
    absent = missing_store(settings)
    looked_at = [name for name in names if name not in lacking]
    async with opened_subjects(loaded, looked_at, settings, must_exist=False) as subjects:
        for name, subject in subjects.items():
            checks = await examine(subject, needs[name], network=RealNetwork(), clock=time.time)
            if absent and name in applications:
                checks = [_for_want_of_a_store(check, absent) for check in checks]
            groups[f"portal {name}"] = checks
    return groups


def _for_want_of_a_store(check: Check, path: str) -> Check:
    """Without its tokens an application looks as if it was not installed, and may well be."""
    if check.name != "credential" or check.status != "failed":
        return check
    return replace(
        check,
        found=f"there is no store at {path}, where the application's tokens would be: {check.found}",
        mend=f"If serve is running, say with --state or STATE where it keeps its events. Else start it. {check.mend}",
    )
