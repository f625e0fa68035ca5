"""`${NAME}` and `sm://NAME` in the values under `portals` and `sources`: replaced, and required for secrets.

`${NAME}` comes from the environment, `sm://NAME` from Secret Manager, and so does the value of a `${NAME}` that is such
a reference itself. Nothing is fetched here: `wanted` names what has to be known, `resolve` is given it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from badge_bridge.closeness import closest
from badge_bridge.errors import BridgeError, Finding
from badge_bridge.portal_address import check_portal_url
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.portal_model import SERVERS
from badge_bridge.secret_references import FORMS, PREFIX, SECRET_PATTERN, parse

__all__ = ["SECRET_KEYS", "UNKNOWN_PORTAL", "WRITTEN_PATTERN", "Known", "Resolution", "resolve", "types_in", "wanted"]

WRITTEN_PATTERN = rf"\$\{{[A-Za-z_][A-Za-z0-9_]*\}}|^{SECRET_PATTERN}$"
"""How a secret is written, as a regular expression."""

Known = Mapping[str, tuple[str, ...] | BridgeError]
"""By reference: the values that it stands for, newest first, or why there are none."""

MAX_VALUES = 100
"""Values of one text in a list, which has as many as its references have together."""

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")
SECRET_KEYS = frozenset({"webhook", "access_token", "client_secret", "secrets"})
"""Keys whose values are secrets, whatever is below them."""

_SECTIONS = ("portals", "sources")

_NO_REFERENCE = f"this is no reference to a secret in Secret Manager; write {FORMS}"

UNKNOWN_PORTAL = "https://portal.invalid"
"""Stands for the address of a portal that is not known."""

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
    written: dict[Path, Path] = field(default_factory=dict)
    """Where values stand in the file that a list has in addition, one for each further version of a secret."""


def wanted(document: Document, environ: Mapping[str, str]) -> frozenset[str]:
    """The references to Secret Manager that the file uses, itself or through the environment."""
    texts = _texts_of(document)
    values = (environ.get(name, "") for name in _named(texts))
    return frozenset(one for one in (*texts, *values) if parse(one) is not None)


def resolve(
    document: Document,
    providers: Mapping[str, type[BaseModel]],
    environ: Mapping[str, str] | None,
    known: Known,
    addresses: Mapping[str, str],
) -> Resolution:
    """Replace every reference; `known` has all that are `wanted`. Without an environment each becomes a placeholder:
    where the variables in `addresses` say where a portal is, one that names it.
    """
    resolution = Resolution(dict(document.data))
    named = _named(_texts_of(document))
    for section in _SECTIONS:
        entries = _entries(document, section)
        if entries is None:
            continue
        replaced = {}
        for name, entry in entries.items():
            secret_keys = SECRET_KEYS | _secret_fields(providers, entry)
            replacing = _Replacing(
                document, resolution, environ, known, secret_keys, _placeholders(entry, addresses), named
            )
            replaced[name] = replacing.value(entry, (section, name))
        resolution.data[section] = replaced
    return resolution


def _entries(document: Document, section: str) -> dict[str, Any] | None:
    entries = document.data.get(section) if isinstance(document.data, dict) else None
    return entries if isinstance(entries, dict) else None


def _texts_of(document: Document) -> Sequence[str]:
    return [text for section in _SECTIONS for text in _texts_in(_entries(document, section))]


def _named(texts: Sequence[str]) -> frozenset[str]:
    """The variables of the environment that texts refer to."""
    return frozenset(match[1] for text in texts for match in _REFERENCE.finditer(text) if match[1])


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(item)


def _placeholders(entry: Any, addresses: Mapping[str, str]) -> Mapping[str, str]:
    """What stands for a value that is not known: of the form that its key asks for."""
    url = entry.get("url") if isinstance(entry, dict) else None
    portal = _address(url, addresses) if isinstance(url, str) else UNKNOWN_PORTAL
    return {
        "webhook": f"{portal}/rest/1/placeholder/",
        "url": portal,
        "server": SERVERS[0],
        "trusted_hosts": "portal.invalid",
        "install_url": "https://bridge.invalid/install",
        "public_url": "https://bridge.invalid/hooks/placeholder",
    }


def _address(url: str, addresses: Mapping[str, str]) -> str:
    """As it is written, or as the variables that it names say."""
    if not _is_replaced(url):
        return url.rstrip("/")
    filled = _REFERENCE.sub(lambda match: addresses.get(match[1] or "", ""), url)
    try:
        check_portal_url(filled)
    except ValueError:
        return UNKNOWN_PORTAL
    return filled.rstrip("/")


def _is_replaced(text: str) -> bool:
    return "${" in text or text.startswith(PREFIX)


def _secret_fields(providers: Mapping[str, type[BaseModel]], entry: Any) -> frozenset[str]:
    provider = entry.get("provider") if isinstance(entry, dict) else None
    model = providers.get(provider) if isinstance(provider, str) else None
    if model is None:
        return frozenset()
    return frozenset(name for name, info in model.model_fields.items() if SecretStr in types_in(info.annotation))


def types_in(annotation: Any) -> Iterator[Any]:
    """All types that an annotation is made of."""
    yield annotation
    for argument in get_args(annotation):
        yield from types_in(argument)


@dataclass(slots=True)
class _Replacing:
    """The work on one entry."""

    document: Document
    resolution: Resolution
    environ: Mapping[str, str] | None
    known: Known
    secret_keys: frozenset[str]
    placeholders: Mapping[str, str]
    named: frozenset[str]
    """The variables that the file refers to."""

    def value(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return self._list(value, path)
        if isinstance(value, str):
            return self._texts(value, path)[0]
        return value

    def _list(self, items: Sequence[Any], path: Path) -> list[Any]:
        """What further versions add comes after all that is written, so that each of these keeps its index."""
        values: list[Any] = []
        added: list[tuple[str, Path]] = []
        for index, item in enumerate(items):
            at = (*path, index)
            first, *others = self._texts(item, at) if isinstance(item, str) else [self.value(item, at)]
            values.append(first)
            added += [(other, at) for other in others]
        for text, at in added:
            self.resolution.written[*path, len(values)] = at
            values.append(text)
        return values

    def _texts(self, text: str, path: Path) -> Sequence[str]:
        """What a text becomes: one text, or in a list of secrets one for each version."""
        secret = not self.secret_keys.isdisjoint(path[2:])
        if mistake := _mistake(text, secret=secret):
            self._note(path, *mistake)
            return self._nothing(path)
        if text.startswith(PREFIX):
            if self.environ is None:
                return self._nothing(path)
            texts = self._secret(text, path)
        else:
            names = dict.fromkeys(match[1] for match in _REFERENCE.finditer(text) if match[1])
            if names and self.environ is None:
                return self._nothing(path)
            choices = [self._values(name, path) for name in names]
            texts = tuple(
                _filled(text, dict(zip(names, values, strict=True))) for values in islice(product(*choices), MAX_VALUES)
            )
        if not texts:
            return self._nothing(path)
        used = texts if secret and isinstance(path[-1], int) else texts[:1]
        if secret:
            self.resolution.secrets.update(used)
        if path[-1] == "webhook":
            self.resolution.secrets.update(one.rstrip("/").rpartition("/")[2] for one in used)
        return used

    def _values(self, name: str, path: Path) -> tuple[str, ...]:
        """What a name stands for; nothing where it is unusable, which is noted."""
        value = (self.environ or {}).get(name, "")
        if value.startswith(PREFIX):
            return self._secret(value, path, f"{name}: ")
        if not value:
            self._note(path, f"{name} is not set in the environment; {self._meant(name)}", "secret-missing")
        elif not value.isprintable():
            self._note(
                path,
                f"the value of {name} has a line end or another invisible character; set it without",
                "wrong-value",
            )
        return (value,) if value and value.isprintable() else ()

    def _secret(self, reference: str, path: Path, whose: str = "") -> tuple[str, ...]:
        if parse(reference) is None:
            self._note(path, f"{whose}{_NO_REFERENCE}", "wrong-reference")
            return ()
        found = self.known.get(reference)
        if found is None:
            self._note(path, f"{whose}{reference} was not read from Secret Manager", "secret-missing")
        elif isinstance(found, BridgeError):
            self._note(path, f"{whose}{found}", "secret-missing")
        else:
            return found
        return ()

    def _meant(self, name: str) -> str:
        """What to do for a name that is not set. One that the file names elsewhere is another value's."""
        spare = [other for other, value in (self.environ or {}).items() if value and other not in self.named]
        close = closest(name, spare)
        return f"did you mean {close}, which is set?" if close else "set it, or correct the name"

    def _note(self, path: Path, message: str, code: str) -> None:
        self.resolution.findings.append(self.document.finding(self.document.values[path], message, code))

    def _nothing(self, path: Path) -> Sequence[str]:
        self.resolution.unknown.add(path)
        self.resolution.around_unknown.update(path[:length] for length in range(2, len(path)))
        key = next((part for part in reversed(path) if isinstance(part, str)), "")
        return (self.placeholders.get(key, _UNKNOWN),)


def _mistake(text: str, *, secret: bool) -> tuple[str, str] | None:
    """What is wrong with how a text is written, with its code; None where nothing is."""
    if text.startswith(PREFIX):
        return None if parse(text) else (_NO_REFERENCE, "wrong-reference")
    found = [match[0] for match in _REFERENCE.finditer(text)]
    if "${" in found:
        unended = "${ begins a name that does not end; write ${NAME} with letters, digits and _, or $${ for ${"
        return unended, "wrong-reference"
    if secret and all(one == "$${" for one in found):
        written = (
            "a secret must not stand in this file, it would end up in version control; "
            "write ${NAME} and set NAME in the environment"
        )
        return written, "secret-written"
    return None


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: values[match[1]] if match[1] else "${", text)
