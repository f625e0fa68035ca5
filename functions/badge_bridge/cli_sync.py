"""`badge-bridge sync`: comparing the badges of the rules file with the portals', and making them agree."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge.cli_options import (
    JsonOption,
    PortalOption,
    RulesOption,
    StateOption,
    chosen,
    load_rules,
    quiet,
    read_settings,
    run,
)
from badge_bridge.cli_subjects import opened_subjects
from badge_bridge.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from badge_bridge.portal.doctor import Subject
    from badge_bridge.portal.sync import Done, Plan
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings

__all__ = ["sync"]


def sync(
    rules: RulesOption = None,
    state: StateOption = None,
    portal: PortalOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Add the badges that are missing.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Delete and add again those that differ.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete our badges (bb_...) that the file lacks.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --replace and --prune.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the badges of the rules file with the portal's, and make them agree when told to."""
    if (replace or prune) and not yes and not sys.stdin.isatty():
        raise SettingsError("--replace and --prune ask before they delete; without a terminal, add --yes")
    settings, loaded = load_rules(read_settings(rules, state))
    quiet(loaded)
    wishes = _Wishes(add=apply, replace=replace, prune=prune, ask=not yes)
    reports = []
    for name in chosen(loaded, portal):
        report = run(_look(loaded, name, settings))
        reports.append(report)
        _tell_found(report, as_json=as_json)
        if report.plan is None or not wishes.any:
            continue
        # Outside of the event loop, which takes Ctrl-C for itself: an answer that is typed after it would count.
        if wishes.ask and not _agreed(report.plan, wishes, name, show=as_json):
            report.declined = True
        else:
            run(_carry_out(loaded, report, wishes, settings, as_json=as_json))
    if as_json:
        print(json.dumps({report.portal: report.to_json() for report in reports}, indent=2, ensure_ascii=False))
    elif any(report.plan and wishes.leave_out(report.plan) for report in reports):
        print(
            "--apply adds what is missing, --replace deletes and adds what is different, --prune deletes what is unused"
        )
    if not all(report.is_well(wishes) for report in reports):
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What is to be done about differences; nothing where only they are asked for."""

    add: bool
    replace: bool
    prune: bool
    ask: bool

    @property
    def any(self) -> bool:
        return self.add or self.replace or self.prune

    def count(self, plan: Plan) -> int:
        """How many badges something is to be done about."""
        return sum(len(found) for wanted, found in self._differences(plan) if wanted)

    def leave_out(self, plan: Plan) -> bool:
        """Whether there are differences about which nothing is to be done."""
        return any(found and not wanted for wanted, found in self._differences(plan))

    def _differences(self, plan: Plan) -> Sequence[tuple[bool, Sequence[Any]]]:
        return ((self.add, plan.missing), (self.replace, plan.different), (self.prune, plan.unused))


@dataclass(slots=True)
class _Report:
    """One portal: what was found, what was done. `error` where there is no plan; `declined` where nothing was to be."""

    portal: str
    plan: Plan | None = None
    error: str = ""
    declined: bool = False
    done: list[Done] = field(default_factory=list)

    def is_well(self, wishes: _Wishes) -> bool:
        if self.plan is None or self.declined:
            return False
        return not wishes.leave_out(self.plan) and all(one.done for one in self.done)

    def to_json(self) -> dict[str, Any]:
        if self.plan is None:
            return {"error": self.error}
        return {
            "missing": [_badge(badge) for badge in self.plan.missing],
            "different": [
                {"code": one.wanted.code, "differences": [asdict(difference) for difference in one.differences]}
                for one in self.plan.different
            ],
            "unused": [_badge(badge) for badge in self.plan.unused],
            "same": list(self.plan.same),
            "done": [asdict(one) for one in self.done],
        }


async def _look(rules: RulesFile, name: str, settings: Settings) -> _Report:
    async with opened_subjects(rules, (name,), settings, must_exist=True) as subjects:
        return await _compare(rules, name, subjects[name])


async def _carry_out(rules: RulesFile, report: _Report, wishes: _Wishes, settings: Settings, *, as_json: bool) -> None:
    """Do what was agreed to, where that is still what there is to do: whoever was asked may have taken his time."""
    from badge_bridge.portal.sync import Sync
    from badge_bridge.terminal_progress import progress

    name = report.portal
    async with opened_subjects(rules, (name,), settings, must_exist=True) as subjects:
        now = await _compare(rules, name, subjects[name])
        if now.plan is None or now.plan != report.plan:
            report.declined = True
            changed = f"portal {name}: its badges have changed meanwhile, so nothing was done; run sync again"
            print(f"badge-bridge: {now.error or changed}", file=sys.stderr)
            return
        working = Sync(subjects[name].client, clock=time.time)
        with progress(f"portal {name}", wishes.count(now.plan)) as bar:
            async for done in working.carry_out(now.plan, add=wishes.add, replace=wishes.replace, prune=wishes.prune):
                report.done.append(done)
                _tell_done(done, as_json=as_json)
                bar.step()


async def _compare(rules: RulesFile, name: str, subject: Subject) -> _Report:
    from badge_bridge.portal.sync import list_badges, plan
    from badge_bridge.rulesfile.usage import usage

    wanted = usage(rules)[name].badges
    try:
        found = await list_badges(subject.client)
    except BridgeError as error:
        return _Report(name, error=str(error))
    return _Report(name, plan(wanted, found, keep={badge.code for badge in rules.badges.values()}))


def _agreed(plan: Plan, wishes: _Wishes, portal: str, *, show: bool) -> bool:
    """Ask before anything is deleted; all of it is on the screen by then."""
    from badge_bridge.terminal_portal import print_plan

    replaced = len(plan.different) if wishes.replace else 0
    pruned = len(plan.unused) if wishes.prune else 0
    if not replaced and not pruned:
        return True
    if show:
        print_plan(portal, plan, to_stderr=True)
    what = " and ".join(
        f"{verb} {count} {'badge' if count == 1 else 'badges'}"
        for verb, count in (("replace", replaced), ("delete", pruned))
        if count
    )
    question = f"In portal {portal}: {what}? Cards that carry a deleted badge may lose it."
    try:
        if typer.confirm(question, err=True):
            return True
    except typer.Abort:
        print("\nNothing was changed.", file=sys.stderr)
        sys.exit(130)
    print("Nothing was changed.", file=sys.stderr)
    return False


def _tell_found(report: _Report, *, as_json: bool) -> None:
    from badge_bridge.terminal_portal import print_plan

    if report.plan is None:
        print(f"badge-bridge: {report.error}", file=sys.stderr)
    elif not as_json:
        print_plan(report.portal, report.plan)


def _tell_done(done: Done, *, as_json: bool) -> None:
    from badge_bridge.terminal_portal import print_done

    if not as_json:
        print_done(done)


def _badge(badge: Any) -> dict[str, Any]:
    from badge_bridge.portal.badges import parameters

    return parameters(badge)
