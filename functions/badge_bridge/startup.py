"""What a `serve` has to say when it starts: what it takes, does and keeps, and what is missing, as one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from shlex import quote
from typing import Any, Protocol

from badge_bridge import __version__
from badge_bridge.errors import AccessRefused, StoreUnavailable
from badge_bridge.plural import counted
from badge_bridge.portal import Portal
from badge_bridge.portal.oauth import OAuthKeyring
from badge_bridge.rulesfile import Rule, RulesFile
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.protocol import Store

__all__ = ["AtWork", "Missing", "ReachedPortal", "RuleShown", "SourceShown", "Startup", "started"]


_ENSURED = "Their badges are looked at now; one that is missing is added."
_LOOKED_AT = (
    "A badge is looked at with the first event that needs it, and added where it is missing; `badge-bridge sync` looks "
    "at once."
)
"""No trouble: nothing is known of the badges at the start."""


class AtWork(Protocol):
    """What is asked of the bridge."""

    @property
    def rules(self) -> RulesFile: ...
    @property
    def store(self) -> Store: ...
    @property
    def portals(self) -> Mapping[str, Portal]: ...


@dataclass(frozen=True, slots=True)
class SourceShown:
    """`url` is what the provider is told: the source's `public_url`, else the address on this machine."""

    name: str
    provider: str
    url: str
    is_public: bool


@dataclass(frozen=True, slots=True)
class RuleShown:
    """`portals` are where it acts."""

    name: str
    badge: str
    portals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReachedPortal:
    name: str
    url: str
    how: str


@dataclass(frozen=True, slots=True)
class Missing:
    """What keeps something from working, and what to do about it."""

    what: str
    todo: str


@dataclass(frozen=True, slots=True)
class Startup:
    """`retention` is in words, and so is when the portals are asked for their `badges`; `backlog` is None where the
    store cannot be read.
    """

    version: str
    url: str
    rules_file: str
    rules_hash: str
    state: str
    retention: str
    sources: tuple[SourceShown, ...]
    rules: tuple[RuleShown, ...]
    portals: tuple[ReachedPortal, ...]
    badges: str
    missing: tuple[Missing, ...]
    backlog: Backlog | None
    console: str = ""
    """Where operators find the console; empty where it is off."""

    @property
    def fields(self) -> dict[str, Any]:
        """As plain values, for a line of the log."""
        return {"kind": "started", **asdict(self)}


async def started(
    bridge: AtWork,
    *,
    url: str,
    state: str,
    console: str,
    ensures: bool,
    tells_metrics: bool = False,
    warnings: int = 0,
) -> Startup:
    """What there is to say about a bridge that listens at `url`. `ensures`: it makes sure of the badges by itself;
    `tells_metrics`: to whoever reaches the deliveries; `warnings`: how many `check` has of the rules. Raises nothing:
    a store that cannot be read says so later.
    """
    rules = bridge.rules
    missing = [
        *_unauthorised(bridge),
        *_expiring(rules),
        *_idle(rules),
    ]
    if warnings:
        what = f"{rules.filename} has {counted(warnings, 'warning')} about what is probably not meant"
        missing.append(Missing(what, f"see `badge-bridge check {quote(rules.filename)}`"))
    if tells_metrics:
        missing.append(Missing("/metrics is told to whoever reaches the deliveries", "set METRICS_TOKEN, or ADMIN"))
    return Startup(
        version=__version__,
        url=url,
        rules_file=rules.filename,
        rules_hash=rules.hash,
        state=state,
        retention="for ever" if rules.retention is None else f"{rules.retention / 86_400:g} days after their end",
        sources=tuple(_sources(rules, url)),
        rules=tuple(RuleShown(rule.name, rules.badges[rule.badge].code, _portals(rule, rules)) for rule in rules.rules),
        portals=tuple(ReachedPortal(name, entry.url, _how(bridge, name)) for name, entry in rules.portals.items()),
        badges=_ENSURED if ensures else _LOOKED_AT,
        missing=tuple(missing),
        backlog=await _backlog(bridge.store),
        console=console,
    )


def _sources(rules: RulesFile, url: str) -> Iterator[SourceShown]:
    for name, source in rules.sources.items():
        public = getattr(source, "public_url", None) or ""
        yield SourceShown(name, getattr(source, "provider", ""), public or f"{url}/hooks/{name}", bool(public))


def _portals(rule: Rule, rules: RulesFile) -> tuple[str, ...]:
    if rule.portal:
        return (rule.portal,)
    return tuple(dict.fromkeys(rules.portal_of[source] for source in rule.sources or rules.portal_of))


def _how(bridge: AtWork, portal: str) -> str:
    entry = bridge.rules.portals[portal]
    if entry.webhook is not None:
        return "by webhook, for badges only"
    if entry.app is None:
        return "by access token"
    return "by application, which is " + ("authorised" if _is_authorised(bridge, portal) else "not authorised")


def _is_authorised(bridge: AtWork, portal: str) -> bool:
    """As it was seen when the portal was opened, or since."""
    keyring = bridge.portals[portal].keyring
    assert isinstance(keyring, OAuthKeyring), "an application has such a keyring"
    try:
        keyring.installed()
    except AccessRefused:
        return False
    return True


def _unauthorised(bridge: AtWork) -> Iterator[Missing]:
    for name, entry in bridge.rules.portals.items():
        if entry.app is not None and not _is_authorised(bridge, name):
            yield Missing(
                f"the application is not let into portal {name}, so no badge gets there",
                f"an administrator of the portal opens the link that `badge-bridge authorize {name}` prints",
            )


def _expiring(rules: RulesFile) -> Iterator[Missing]:
    for name, entry in rules.portals.items():
        if entry.access_token is not None:
            yield Missing(
                f"the access token of portal {name} lasts an hour, and nothing refreshes it",
                "give oauth the client_id and client_secret of an application",
            )


def _idle(rules: RulesFile) -> Iterator[Missing]:
    """Sources that nothing in the file takes events of."""
    for name in rules.sources:
        if not any(_takes(rule, name, rules) for rule in rules.rules):
            yield Missing(
                f"no rule uses source {name}: its events are stored and ignored", "add a rule for it, or remove it"
            )


def _takes(rule: Rule, source: str, rules: RulesFile) -> bool:
    """Whether a rule acts on events of a source, or has a badge that they clear."""
    if not rule.sources or source in rule.sources:
        return True
    return rule.clear is not None and rules.portal_of[source] in _portals(rule, rules)


async def _backlog(store: Store) -> Backlog | None:
    try:
        return await store.backlog()
    except StoreUnavailable:
        return None
