"""What the entries of a file say about each other: names that exist, names and codes that are unique, portals, types.

Works on the plain data, so that an entry with another mistake still counts as being there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from badge_bridge.closeness import closest, suggest
from badge_bridge.errors import Finding
from badge_bridge.events import CALL_TYPES, EXACT_TYPE
from badge_bridge.rulesfile import acting
from badge_bridge.rulesfile.document import Document, Path

__all__ = ["CODE_PREFIX", "check"]

CODE_PREFIX = "bb_"
"""Before the name of a badge that has no code of its own."""

_CALL = re.compile(rf"(?=call\.){EXACT_TYPE}")
"""The exact type of a call, known or not."""

MAX_CODE = 30
"""Characters of a badge's code; a portal refuses longer ones (Bitrix24 docs, "crm.activity.badge.add")."""


def check(document: Document, providers: Mapping[str, type[BaseModel]]) -> list[Finding]:
    """`providers` are the option models by name; one with `names_types` lets the file choose its events' types."""
    return list(_Checking(document, providers).findings())


class _Checking:
    def __init__(self, document: Document, providers: Mapping[str, type[BaseModel]]) -> None:
        self._document = document
        self._providers = providers
        self._portals = _entries(document.data, "portals")
        self._sources = _entries(document.data, "sources")
        self._badges = _entries(document.data, "badges")
        rules = document.data.get("rules")
        self._rules: Sequence[Any] = rules if isinstance(rules, list) else ()

    def findings(self) -> Iterator[Finding]:
        yield from self._codes()
        yield from self._names()
        for name, source in self._sources.items():
            yield from self._reference(source, ("sources", name), "portal", self._portals, "portal")
            yield from self._secrets(name, source)
        for index, rule in enumerate(self._rules):
            if isinstance(rule, dict):
                yield from self._rule(rule, ("rules", index))

    def _rule(self, rule: Mapping[str, Any], path: Path) -> Iterator[Finding]:
        yield from self._reference(rule, path, "badge", self._badges, "badge")
        yield from self._reference(rule, path, "source", self._sources, "source")
        yield from self._reference(rule, path, "portal", self._portals, "portal")
        yield from self._types(rule, (*path, "on"), self._sources_of(rule))
        clear = rule.get("clear")
        if "attach" in rule or "clear" in rule:
            portals = self._portals_of(rule)
            yield from acting.check(rule, path, self._document, portals)
            if isinstance(clear, dict):
                yield from self._types(clear, (*path, "clear", "on"), self._clearing_sources(rule, portals))
        if rule.get("portal") is None and len(self._portals) > 1:
            yield from self._portal_needed(rule, path)

    def _reference(self, entry: Any, path: Path, key: str, known: Mapping[str, Any], what: str) -> Iterator[Finding]:
        value = entry.get(key) if isinstance(entry, dict) else None
        named = [((*path, key), value)]
        if isinstance(value, list):
            named = [((*path, key, index), item) for index, item in enumerate(value)]
        for place, name in named:
            if isinstance(name, str) and name not in known and place not in self._document.unreadable:
                message = f"there is no {what} '{name}'; {suggest(name, known)}"
                yield self._document.finding(self._document.values[place], message, "unknown-name")

    def _portal_needed(self, rule: Mapping[str, Any], path: Path) -> Iterator[Finding]:
        wanted = self._sources_of(rule)
        silent = [
            name
            for name in wanted
            if isinstance(self._sources.get(name), dict) and self._sources[name].get("portal") is None
        ]
        if silent:
            message = (
                f"there are several portals, and neither this rule nor source '{silent[0]}' says which; "
                f"add portal: to one of them (known are {', '.join(self._portals)})"
            )
            yield self._document.finding(self._document.values[path], message, "portal-needed")

    def _sources_of(self, rule: Mapping[str, Any]) -> Sequence[str]:
        value = rule.get("source")
        if isinstance(value, list):
            return [name for name in value if isinstance(name, str)]
        return [value] if isinstance(value, str) else list(self._sources)

    def _portals_of(self, rule: Mapping[str, Any]) -> Mapping[str, Any]:
        """The portals that a rule acts on, as far as the file says."""
        portal = rule.get("portal")
        named = [portal] if isinstance(portal, str) else [self._portal_of(name) for name in self._sources_of(rule)]
        return {name: self._portals[name] for name in named if name in self._portals}

    def _clearing_sources(self, rule: Mapping[str, Any], portals: Mapping[str, Any]) -> Sequence[str]:
        """Any source of the portal may report what clears, whichever reported the call."""
        own = set(self._sources_of(rule))
        return [name for name in self._sources if name in own or self._portal_of(name) in portals]

    def _portal_of(self, source: str) -> str:
        """The portal that a source names, or the only one; empty where it is not known."""
        options = self._sources.get(source)
        portal = options.get("portal") if isinstance(options, dict) else None
        if portal is None and len(self._portals) == 1:
            return next(iter(self._portals))
        return portal if isinstance(portal, str) else ""

    def _secrets(self, name: str, source: Any) -> Iterator[Finding]:
        """A source may do without secrets where the installation of an application brings them."""
        provider = source.get("provider") if isinstance(source, dict) else None
        if not isinstance(provider, str) or provider not in self._providers or "secrets" in source:
            return
        if not getattr(self._providers[provider], "late_secrets", False):
            return  # required, which the shape says
        portal = self._portals.get(self._portal_of(name))
        oauth = portal.get("oauth") if isinstance(portal, dict) else None
        if not isinstance(oauth, dict) or "client_id" not in oauth:
            message = (
                f"'secrets' is missing in source '{name}', and its portal is no application whose installation would "
                'bring the application token; add secrets: ["${NAME}"], or give the portal oauth: with client_id'
            )
            yield self._document.finding(self._document.keys["sources", name], message, "missing-key")

    def _types(self, entry: Mapping[str, Any], path: Path, sources: Sequence[str]) -> Iterator[Finding]:
        """Types of calls that none of these sources can give: nothing would ever come of one."""
        chosen = [self._names_types(self._sources.get(name)) for name in sources]
        if True in chosen:
            return
        value = entry.get("on")
        named = [(path, value)]
        if isinstance(value, list):
            named = [((*path, index), item) for index, item in enumerate(value)]
        for place, kind in named:
            if not isinstance(kind, str) or not _CALL.fullmatch(kind) or place in self._document.unreadable:
                continue
            suggested = _suggest_call(kind)
            # Of a source of which nothing is known, only what is near one of ours is sure to be a slip.
            if kind not in CALL_TYPES and (None not in chosen or suggested.startswith("did you mean")):
                message = f"no call has the type '{kind}'; {suggested}"
                yield self._document.finding(self._document.values[place], message, "unknown-type")

    def _names_types(self, source: Any) -> bool | None:
        """Whether the file chooses the types of this source's events; None where nothing is known about it. A provider
        that is mistyped counts as the one that was meant.
        """
        provider = source.get("provider") if isinstance(source, dict) else None
        if isinstance(provider, str) and provider not in self._providers:
            provider = closest(provider, sorted(self._providers))
        if not isinstance(provider, str) or not provider:
            return None
        return bool(getattr(self._providers[provider], "names_types", False))

    def _codes(self) -> Iterator[Finding]:
        owners: dict[str, str] = {}
        for name, badge in self._badges.items():
            code = badge.get("code") if isinstance(badge, dict) else None
            effective = code if isinstance(code, str) else CODE_PREFIX + name
            if code is None and len(effective) > MAX_CODE:
                message = (
                    f"with {CODE_PREFIX} before it this name is longer than the {MAX_CODE} characters that a portal "
                    "takes as a code; shorten it, or add code: with a shorter one"
                )
                yield self._document.finding(self._document.keys["badges", name], message, "wrong-value")
            owner = owners.setdefault(effective, name)
            if owner != name:
                path: Path = ("badges", name, "code")
                place = self._document.values.get(path) or self._document.keys[path[:2]]
                message = f"badge '{owner}' already has the code {effective}; give this one a code of its own"
                yield self._document.finding(place, message, "taken")

    def _names(self) -> Iterator[Finding]:
        lines: dict[str, int] = {}
        for index, rule in enumerate(self._rules):
            name = rule.get("name") if isinstance(rule, dict) else None
            if not isinstance(name, str):
                continue
            place = self._document.values["rules", index, "name"]
            # What is typed on a Mac may have an accent apart from its letter: it looks the same, and nobody could tell.
            first = lines.setdefault(unicodedata.normalize("NFC", name), place.line)
            if first != place.line:
                message = f"the rule in line {first} already has the name '{name}'; choose another"
                yield self._document.finding(place, message, "taken")


def _suggest_call(kind: str) -> str:
    """As `suggest`, by the second half alone: the first makes all of them alike."""
    halves = {known.partition(".")[2]: known for known in CALL_TYPES}
    close = closest(kind.partition(".")[2], halves)
    return f"did you mean '{halves[close]}'?" if close else f"known are {', '.join(CALL_TYPES)}"


def _entries(data: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    entries = data.get(section)
    return entries if isinstance(entries, dict) else {}
