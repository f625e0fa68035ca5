"""The commands for an operator of a portal: `badge-bridge sync`, `doctor` and `clear`.

They call the portal beside a running `serve` and with pauses of their own: what has paused the portal there must not
keep anybody from mending it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge.cli_options import (
    JsonOption,
    RulesOption,
    StateOption,
    load_rules,
    opened_store,
    read_settings,
    run,
)
from badge_bridge.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from badge_bridge.portal.doctor import Check, Subject
    from badge_bridge.portal.sync import Done, Plan
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Store

__all__ = ["register"]

PortalOption = Annotated[
    str | None, typer.Option("--portal", help="Only this portal of the rules file. Default: all.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    app.command()(sync)
    app.command()(doctor)
    app.command()(clear)


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
    settings = read_settings(rules, state)
    loaded = load_rules(settings)
    _quiet(loaded)
    names = _chosen(loaded, portal)
    wishes = _Wishes(add=apply, replace=replace, prune=prune, ask=not yes)
    reports = run(_sync(loaded, names, wishes, settings, as_json=as_json))
    if as_json:
        print(json.dumps({report.portal: report.to_json() for report in reports}, indent=2, ensure_ascii=False))
    elif not wishes.any and any(report.plan and not report.plan.is_settled for report in reports):
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
        return all(one.done for one in self.done) if wishes.any else self.plan.is_settled

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


async def _sync(
    rules: RulesFile, names: Sequence[str], wishes: _Wishes, settings: Settings, *, as_json: bool
) -> list[_Report]:
    from badge_bridge.portal.sync import Sync

    reports = []
    async with _opened(rules, names, settings) as subjects:
        for name, subject in subjects.items():
            report = await _compare(rules, name, subject)
            reports.append(report)
            _tell_found(report, as_json=as_json)
            if report.plan is None or not wishes.any:
                continue
            if wishes.ask and not _agreed(report.plan, wishes, name, show=as_json):
                report.declined = True
                continue
            working = Sync(subject.client, clock=time.time)
            async for done in working.carry_out(
                report.plan, add=wishes.add, replace=wishes.replace, prune=wishes.prune
            ):
                report.done.append(done)
                _tell_done(done, as_json=as_json)
    return reports


async def _compare(rules: RulesFile, name: str, subject: Subject) -> _Report:
    from badge_bridge.portal.sync import list_badges, plan
    from badge_bridge.rulesfile import usage

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
    if typer.confirm(question, err=True):
        return True
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
    from badge_bridge.rulesfile import usage

    loaded, local = local_checks.check_rules(settings.rules, os.environ)
    if loaded is None:
        local += await local_checks.check_store(settings.state, [], now=time.time())
        return {"bridge": local}
    _quiet(loaded)
    needs = usage(loaded)
    names = _chosen(loaded, portal)
    applications = [name for name, one in loaded.portals.items() if one.app is not None]
    key = local_checks.check_encryption_key(applications, is_set=bool(settings.encryption_keys))
    local.append(key)
    local += local_checks.check_sources(loaded)
    lanes = [lane for name in names for lane in lanes_of(name, needs[name])]
    kept = await local_checks.check_store(settings.state, lanes, now=time.time())
    local += kept
    groups = {"bridge": local}
    # An application's tokens are in the store, under the key; a webhook needs neither.
    culprit = next((check.name for check in (key, *kept) if check.status == "failed"), "")
    lacking = [name for name in names if culprit and name in applications]
    for name in lacking:
        groups[f"portal {name}"] = [Check("credential", "skipped", f"not looked at, since {culprit} failed")]
    if any(check.status == "failed" for check in kept):
        settings = replace(settings, state="memory:")
    async with _opened(loaded, [name for name in names if name not in lacking], settings) as subjects:
        for name, subject in subjects.items():
            groups[f"portal {name}"] = await examine(subject, needs[name], network=RealNetwork(), clock=time.time)
    return groups


def clear(
    keys: Annotated[
        list[str] | None, typer.Argument(help="Keys of events whose badges to take away, as events list prints them.")
    ] = None,
    phone: Annotated[
        str | None, typer.Option("--phone", help="All badges of the customer with this number, such as +4930901820.")
    ] = None,
    rules: RulesOption = None,
    state: StateOption = None,
) -> None:
    """Take badges off their cards by hand, as a returned call would."""
    if not keys and not phone:
        raise SettingsError("say which badges: keys of events, or --phone with the customer's number")
    settings = read_settings(rules, state)
    loaded = load_rules(settings)
    _quiet(loaded)
    if not run(_clear(loaded, settings, keys or [], phone or "")):
        sys.exit(1)


async def _clear(rules: RulesFile, settings: Settings, keys: Sequence[str], phone: str) -> bool:
    """Whether everything that was meant is taken away."""
    from badge_bridge.access import open_beside
    from badge_bridge.cards import Cards
    from badge_bridge.outcomes import Asked
    from badge_bridge.rulesfile import customer_join
    from badge_bridge.store.memory import MemoryStore

    async with AsyncExitStack() as stack:
        store, pauses = await stack.enter_async_context(opened_store(settings)), MemoryStore()
        await pauses.open()
        stack.push_async_callback(pauses.close)
        rows = [row for key in keys for row in await store.attachments(key)]
        rows += await store.open_attachments(customer_join(phone)) if phone else []
        meant = {(row.key, row.rule): row for row in rows if row.activity is not None and row.closed_at is None}
        if not meant:
            print("badge-bridge: there is no open badge of these", file=sys.stderr)
            return False
        portals = {
            name: await open_beside(stack, entry, store=store, keys=settings.encryption_keys, pauses=pauses)
            for name, entry in rules.portals.items()
            if any(row.portal == name for row in meant.values())
        }
        cards = Cards(rules=rules, portals=portals, store=store, clock=time.time)
        well = True
        for row in meant.values():
            if row.portal not in portals:
                print(f"{row.key}: the rules file has no portal {row.portal} any more", file=sys.stderr)
                well = False
                continue
            try:
                print(f"{row.key}: {await cards.close(row, Asked())}")
            except BridgeError as error:
                print(f"{row.key}: {error}", file=sys.stderr)
                well = False
        return well


def _quiet(rules: RulesFile) -> None:
    """A command prints what it found; the log repeats only what has no other place, and no secret."""
    from badge_bridge.observability import logs

    logs.configure("console", "ERROR", secrets=rules.secrets)


def _chosen(rules: RulesFile, portal: str | None) -> list[str]:
    if portal is None:
        return list(rules.portals)
    if portal not in rules.portals:
        raise SettingsError(f"{rules.filename} has no portal {portal!r}; it has {', '.join(rules.portals)}")
    return [portal]


@asynccontextmanager
async def _opened(rules: RulesFile, names: Sequence[str], settings: Settings) -> AsyncIterator[Mapping[str, Subject]]:
    from badge_bridge.access import open_beside
    from badge_bridge.portal.doctor import Subject
    from badge_bridge.store import open_store
    from badge_bridge.store.memory import MemoryStore
    from badge_bridge.store.sqlite import SqliteStore

    async with AsyncExitStack() as stack:
        pauses = MemoryStore()
        store: Store = open_store(settings.state)
        if isinstance(store, SqliteStore) and not store.exists():
            store = pauses  # opening it would make it, perhaps in a wrong place; there is nothing in it to know
        for one in {pauses, store}:
            await one.open()
            stack.push_async_callback(one.close)
        subjects = {}
        for name in names:
            entry = rules.portals[name]
            portal = await open_beside(stack, entry, store=store, keys=settings.encryption_keys, pauses=pauses)
            subjects[name] = Subject(
                portal.client,
                portal.keyring,
                entry.url,
                application=entry.webhook is None,
                trusted_hosts=entry.trusted_hosts,
            )
        yield subjects


def _badge(badge: Any) -> dict[str, Any]:
    from badge_bridge.portal.badges import parameters

    return parameters(badge)
