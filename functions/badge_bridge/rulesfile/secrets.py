"""`${NAME}` in the values under `portals` and `sources`: replaced from the environment, required for secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from badge_bridge.errors import Finding
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.portal_model import SERVERS

__all__ = ["NAME_PATTERN", "Resolution", "resolve"]

NAME_PATTERN = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"
"""How a name is written, as a regular expression."""

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")
_SECRET_KEYS = frozenset({"webhook", "access_token", "client_secret", "secrets"})

_UNKNOWN = "${UNKNOWN}"
"""Stands for a secret that is not known. Where no secret is needed, a provider's validators let its name pass."""


@dataclass(slots=True)
class Resolution:
    """The data with its references replaced."""

    data: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    """The values of secret fields, for redaction."""
    unknown: set[Path] = field(default_factory=set)
    """Values that stand for nothing yet: an unset name, or a placeholder."""
    around_unknown: set[Path] = field(default_factory=set)
    """What has such a value inside of it."""


def resolve(
    document: Document, providers: Mapping[str, type[BaseModel]], environ: Mapping[str, str] | None
) -> Resolution:
    """Replace every reference. Without an environment each becomes a placeholder."""
    resolution = Resolution(dict(document.data))
    for section in ("portals", "sources"):
        entries = document.data.get(section)
        if not isinstance(entries, dict):
            continue
        replaced = {}
        for name, entry in entries.items():
            secret_keys = _SECRET_KEYS | _secret_fields(providers, entry)
            replacing = _Replacing(document, resolution, environ, secret_keys, _placeholders(entry))
            replaced[name] = replacing.value(entry, (section, name))
        resolution.data[section] = replaced
    return resolution


def _placeholders(entry: Any) -> Mapping[str, str]:
    """What stands for a value that is not known: of the form that its key asks for."""
    url = entry.get("url") if isinstance(entry, dict) else None
    portal = url.rstrip("/") if isinstance(url, str) and "${" not in url else "https://portal.invalid"
    return {
        "webhook": f"{portal}/rest/1/placeholder/",
        "url": portal,
        "server": SERVERS[0],
        "trusted_hosts": "portal.invalid",
        "install_url": "https://bridge.invalid/install",
        "public_url": "https://bridge.invalid/hooks/placeholder",
    }


def _secret_fields(providers: Mapping[str, type[BaseModel]], entry: Any) -> frozenset[str]:
    provider = entry.get("provider") if isinstance(entry, dict) else None
    model = providers.get(provider) if isinstance(provider, str) else None
    if model is None:
        return frozenset()
    return frozenset(name for name, info in model.model_fields.items() if SecretStr in _types(info.annotation))


def _types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _types(argument)


@dataclass(slots=True)
class _Replacing:
    """The work on one entry."""

    document: Document
    resolution: Resolution
    environ: Mapping[str, str] | None
    secret_keys: frozenset[str]
    placeholders: Mapping[str, str]

    def value(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str):
            return self._text(value, path)
        return value

    def _text(self, text: str, path: Path) -> str:
        names = [match[1] for match in _REFERENCE.finditer(text) if match[1]]
        secret = not self.secret_keys.isdisjoint(path[2:])
        if text.startswith("sm://"):
            self._note(
                path, "secrets are not read from Secret Manager yet; write ${NAME} and set it in the environment"
            )
            return self._nothing(path)
        if any(match[0] == "${" for match in _REFERENCE.finditer(text)):
            self._note(
                path, "${ begins a name that does not end; write ${NAME} with letters, digits and _, or $${ for ${"
            )
            return self._nothing(path)
        if secret and not names:
            self._note(
                path,
                "a secret must not stand in this file, it would end up in version control; "
                "write ${NAME} and set NAME in the environment",
            )
            return self._nothing(path)
        if names and self.environ is None:
            return self._nothing(path)
        unusable = [name for name in dict.fromkeys(names) if not self._is_usable(name, path)]
        if unusable:
            return self._nothing(path)
        replaced = _REFERENCE.sub(self._replacement, text)
        if secret:
            self.resolution.secrets.add(replaced)
        if path[-1] == "webhook":
            self.resolution.secrets.add(replaced.rstrip("/").rpartition("/")[2])
        return replaced

    def _is_usable(self, name: str, path: Path) -> bool:
        value = (self.environ or {}).get(name, "")
        if not value:
            self._note(path, f"{name} is not set in the environment; set it, or correct the name")
        elif not value.isprintable():
            self._note(path, f"the value of {name} has a line end or another invisible character; set it without")
        return bool(value) and value.isprintable()

    def _replacement(self, match: re.Match[str]) -> str:
        return (self.environ or {})[match[1]] if match[1] else "${"

    def _note(self, path: Path, message: str) -> None:
        self.resolution.findings.append(self.document.finding(self.document.values[path], message))

    def _nothing(self, path: Path) -> str:
        self.resolution.unknown.add(path)
        self.resolution.around_unknown.update(path[:length] for length in range(2, len(path)))
        key = next((part for part in reversed(path) if isinstance(part, str)), "")
        return self.placeholders.get(key, _UNKNOWN)
