"""The shape of a file against the models: every mistake with its place, and the entries that are sound."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from badge_bridge.closeness import closest, suggest
from badge_bridge.errors import Finding
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.findings import Explaining
from badge_bridge.rulesfile.model import Badge, DocumentModel, Rule
from badge_bridge.rulesfile.portal_model import Portal
from badge_bridge.rulesfile.secrets import Resolution
from badge_bridge.rulesfile.wording import unknown_key

__all__ = ["Shape", "check"]

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class Shape:
    """The sound entries of a file; `rules` by their index."""

    portals: dict[str, Portal] = field(default_factory=dict)
    sources: dict[str, BaseModel] = field(default_factory=dict)
    badges: dict[str, Badge] = field(default_factory=dict)
    rules: dict[int, Rule] = field(default_factory=dict)
    retention: float | None = None
    """Seconds; None: for ever."""
    findings: list[Finding] = field(default_factory=list)


class _Named(BaseModel):
    """A source of which no more is known than whose it is and where it leads."""

    provider: str
    portal: Any = None


def check(document: Document, resolution: Resolution, providers: Mapping[str, type[BaseModel]]) -> Shape:
    """Validate the data with its references replaced. Only the providers that the file names are looked up."""
    checking = _Checking(document, resolution, providers)
    shape = checking.sections()
    shape.sources = dict(checking.sources())
    shape.findings = checking.findings
    return shape


class _Checking:
    def __init__(self, document: Document, resolution: Resolution, providers: Mapping[str, type[BaseModel]]) -> None:
        self._document = document
        self._resolution = resolution
        self._providers = providers
        self._data = resolution.data
        self.findings: list[Finding] = []

    def sections(self) -> Shape:
        """Everything but what is inside of the sources, whose models depend on their providers."""
        try:
            whole = _validate(DocumentModel, self._data)
        except ValidationError as error:
            self._explain(error, DocumentModel, ())
            badges, portals = self._sound(Badge, "badges"), self._sound(Portal, "portals")
            return Shape(portals=dict(portals), badges=dict(badges), rules=dict(self._sound_rules()))
        return Shape(
            portals=whole.portals,
            badges=whole.badges,
            rules=dict(enumerate(whole.rules)),
            retention=whole.retention.seconds,
        )

    def sources(self) -> Iterator[tuple[str, BaseModel]]:
        for name, entry in self._entries("sources"):
            path: Path = ("sources", name)
            model = self._model_of(entry, path)
            if model is None:
                self._guess(entry, path)
                continue
            try:
                yield name, _validate(model, entry)
            except ValidationError as error:
                found = self._explain(error, model, path)
                if not found:
                    yield name, self._as_far_as_known(model, entry, error)

    @staticmethod
    def _as_far_as_known(model: type[BaseModel], entry: dict[str, Any], error: ValidationError) -> BaseModel:
        """An entry that is unsound only because a placeholder is no real value: without what that concerns."""
        unknown = {one["loc"][0] for one in error.errors(include_url=False, include_input=False) if one["loc"]}
        try:
            return _validate(model, {option: value for option, value in entry.items() if option not in unknown})
        except ValidationError:
            # One of them has to be there. What is asked of options that tell of their kind, these do not know.
            return _Named.model_validate(entry)

    def _model_of(self, entry: Any, path: Path) -> type[BaseModel] | None:
        if path in self._document.unreadable:
            return None
        place = self._document.keys[path]
        if not isinstance(entry, dict):
            self._find(
                place,
                f"'{path[-1]}' must hold keys and values; write provider: and its options below it",
                "wrong-value",
            )
            return None
        known = sorted(self._providers)
        if "provider" not in entry:
            self._find(
                place,
                f"'provider' is missing in source '{path[-1]}'; add provider: with one of {', '.join(known)}",
                "missing-key",
            )
            return None
        provider = entry["provider"]
        if isinstance(provider, str) and provider in self._providers:
            return self._providers[provider]
        if (*path, "provider") not in self._document.unreadable:
            place = self._document.values[*path, "provider"]
            more = "" if closest(str(provider), known) else " (more may be told of this source when that is mended)"
            message = f"there is no provider '{provider}'; {suggest(str(provider), known)}{more}"
            self._find(place, message, "unknown-name")
        return None

    def _guess(self, entry: Any, path: Path) -> None:
        """Tell what is wrong in a source whose provider is not known: by the one that was probably meant, else the keys
        that no provider has.
        """
        if not isinstance(entry, dict) or "provider" not in entry or path in self._document.unreadable:
            return
        known = sorted(self._providers)
        if meant := closest(str(entry["provider"]), known):
            model = self._providers[meant]
            try:
                _validate(model, entry | {"provider": meant})
            except ValidationError as error:
                self._explain(error, model, path)
            return
        keys = list(dict.fromkeys(key for name in known for key in self._providers[name].model_fields))
        for key in entry:
            if key not in keys:
                place = (*path, key)
                self._find(self._document.keys[place], unknown_key(place, keys), "unknown-key")

    def _find(self, place: Any, message: str, code: str) -> None:
        self.findings.append(self._document.finding(place, message, code))

    def _explain(self, error: ValidationError, model: type[BaseModel], below: Path) -> Sequence[Finding]:
        found = Explaining(self._document, self._resolution, model, below).findings(error)
        self.findings.extend(found)
        return found

    def _sound(self, model: type[Model], section: str) -> Iterator[tuple[str, Model]]:
        for name, entry in self._entries(section):
            try:
                yield name, _validate(model, entry)
            except ValidationError:
                continue

    def _sound_rules(self) -> Iterator[tuple[int, Rule]]:
        entries = self._data.get("rules")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            try:
                yield index, _validate(Rule, entry)
            except ValidationError:
                continue

    def _entries(self, section: str) -> Iterator[tuple[str, Any]]:
        entries = self._data.get(section)
        yield from entries.items() if isinstance(entries, dict) else ()


def _validate(model: type[Model], data: Any) -> Model:
    """As JSON, since in strict mode pydantic takes a list for a tuple from JSON only."""
    return model.model_validate_json(json.dumps(data))
