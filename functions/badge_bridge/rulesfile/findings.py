"""From pydantic's errors to findings: where they are in the file, and which of them are worth telling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from badge_bridge.cel import CelError
from badge_bridge.closeness import closest
from badge_bridge.errors import Finding
from badge_bridge.rulesfile import wording
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.expressions import findings_of
from badge_bridge.rulesfile.positions import Place
from badge_bridge.rulesfile.secrets import Resolution

__all__ = ["Explaining", "inside"]


@dataclass(frozen=True, slots=True)
class Explaining:
    """The errors of validating what stands `below` a path with a model."""

    document: Document
    resolution: Resolution
    model: type[BaseModel]
    below: Path

    def findings(self, error: ValidationError) -> list[Finding]:
        details = error.errors(include_url=False)
        paths = [self._path(detail["loc"]) for detail in details]
        found = [*zip(details, paths, strict=True)]
        misspelt = {meant for detail, path in found if (meant := self._meant(detail, path)) is not None}
        return [
            finding
            for detail, path in found
            if not self._is_noise(detail, path, paths)
            if not (detail["type"] == "missing" and (*path, detail["loc"][-1]) in misspelt)
            for finding in self._explained(detail, path)
        ]

    def _meant(self, detail: ErrorDetails, path: Path) -> Path | None:
        """Where a key belongs that is mistyped: that it is missing need not be told as well."""
        if detail["type"] != "extra_forbidden":
            return None
        meant = closest(str(path[-1]), self._keys_at(detail["loc"][:-1]))
        return (*path[:-1], meant) if meant else None

    def _path(self, loc: Sequence[str | int]) -> Path:
        """Pydantic's location without what is not in the file: names of union members, validators, missing keys."""
        path = self.below
        for part in loc:
            below = self.resolution.written.get((*path, part), (*path, part))
            if below in self.document.values:
                path = below
        return path

    def _is_noise(self, detail: ErrorDetails, path: Path, paths: Sequence[Path]) -> bool:
        """A consequence of something that is reported by itself."""
        if _is_in_one_of(path, self.document.unreadable):
            return detail["type"] != "extra_forbidden"  # a key that there is not, whatever it holds
        if detail["type"] == "too_short":
            return any(len(other) > len(path) and other[: len(path)] == path for other in paths)
        is_name = detail["loc"][-1:] == ("[key]",)  # which is known, whatever stands below it
        if is_name or detail["type"] in ("missing", "extra_forbidden") or isinstance(_cause(detail), CelError):
            return False
        # What a source's options say of each other cannot be judged while one of them is a placeholder.
        unsure = path[:1] == ("sources",) and path in self.resolution.around_unknown
        return unsure or _is_in_one_of(path, self.resolution.unknown)

    def _explained(self, detail: ErrorDetails, path: Path) -> Iterator[Finding]:
        cause = _cause(detail)
        if isinstance(cause, CelError):
            yield from findings_of(cause, self.document, path)
            return
        name = str(detail["loc"][-1]) if detail["loc"] else ""
        if detail["type"] == "missing":
            yield self.document.finding(self._owner_place(path), wording.missing_key(path, name), "missing-key")
        elif detail["type"] == "extra_forbidden":
            message = wording.unknown_key(path, self._keys_at(detail["loc"][:-1]))
            yield self.document.finding(self.document.keys[path], message, "unknown-key")
        elif detail["type"] == "union_tag_invalid":
            tag = (*path, str(detail["ctx"]["discriminator"]).strip("'"))
            place = self.document.values.get(tag) or self._owner_place(path)
            yield self.document.finding(place, wording.explain(detail, path), "unknown-name")
        else:
            place = self.document.keys[path] if name == "[key]" else self._value_place(path)
            code = "missing-key" if detail["type"] == "union_tag_not_found" else "wrong-value"
            yield self.document.finding(place, wording.explain(detail, path), code)

    def _owner_place(self, path: Path) -> Place:
        return self.document.keys.get(path) or self.document.values[path]

    def _value_place(self, path: Path) -> Place:
        """A mapping is pointed at by its key, since it begins with its first entry."""
        return self._owner_place(path) if isinstance(self.document.at(path), dict) else self.document.values[path]

    def _keys_at(self, loc: Sequence[str | int]) -> list[str]:
        """The keys that a mapping may have, for suggestions."""
        annotations: list[Any] = [self.model]
        for part in loc:
            # The name of a union's member leads nowhere and is skipped.
            annotations = [inner for one in annotations for inner in inside(one, part)] or annotations
        return list(dict.fromkeys(name for one in annotations for model in _models(one) for name in model.model_fields))


def _cause(detail: ErrorDetails) -> Any:
    return detail.get("ctx", {}).get("error")


def _is_in_one_of(path: Path, tops: AbstractSet[Path]) -> bool:
    return any(path[:length] in tops for length in range(len(path) + 1))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (dict, list, tuple):
        for argument in get_args(annotation):
            yield from _models(argument)


def inside(annotation: Any, part: str | int) -> Iterator[Any]:
    """What a key or an index leads to: the kinds of value that may stand there."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        yield arguments[1]
    elif origin in (list, tuple):
        yield arguments[0]
    elif isinstance(annotation, type):
        fields = annotation.model_fields if issubclass(annotation, BaseModel) else {}
        if part in fields:
            yield fields[str(part)].annotation
    else:
        for argument in arguments:
            yield from inside(argument, part)
