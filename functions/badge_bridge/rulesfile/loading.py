"""From a file to `RulesFile`: read, replace names, check the shape, the references, the expressions and the texts.

The mistakes of all steps are reported together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from badge_bridge.errors import Finding, RulesError
from badge_bridge.rulesfile import references, shape
from badge_bridge.rulesfile.assembling import assemble
from badge_bridge.rulesfile.compiling import compile_rules
from badge_bridge.rulesfile.document import MAX_BYTES, Document, read
from badge_bridge.rulesfile.excerpts import with_excerpts, with_unread_excerpts
from badge_bridge.rulesfile.rules import RulesFile
from badge_bridge.rulesfile.secrets import Known, resolve, wanted

__all__ = ["MAX_FINDINGS", "Draft", "parse", "read_file", "rules_hash"]

MAX_FINDINGS = 200
"""More are no help, and a hostile file can have a hundred thousand."""


_NOTHING: Known = MappingProxyType({})
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


class Draft:
    """A rules file that has been read, and whose secrets may not be known yet.

    Raises:
        RulesError: it cannot be read at all.
    """

    def __init__(self, text: str | bytes, filename: str) -> None:
        self._content = text.encode() if isinstance(text, str) else text
        try:
            self.document: Document = read(self._content, filename)
        except RulesError as error:
            raise RulesError(with_unread_excerpts(error.findings, self._content)) from error

    @property
    def sources(self) -> Mapping[str, Any]:
        """What is written under `sources`, by name: as it stands there, whether it is any good or not."""
        written = self.document.data.get("sources") if isinstance(self.document.data, dict) else None
        return written if isinstance(written, dict) else {}

    def wanted(self, environ: Mapping[str, str]) -> frozenset[str]:
        """The references to Secret Manager whose values `checked` needs with this environment."""
        return wanted(self.document, environ)

    def checked(
        self,
        *,
        providers: Mapping[str, type[BaseModel]],
        environ: Mapping[str, str] | None,
        known: Known = _NOTHING,
        addresses: Mapping[str, str] = _NO_VARIABLES,
        decides: bool = True,
    ) -> RulesFile:
        """The rules file with its secrets.

        `providers` are the option models of the sources by provider name, each with `provider: Literal[...]`.
        `environ` gives the values of `${NAME}`, `known` those of `sm://NAME`; an `environ` of None checks everything
        but these, with placeholders in their place, in which a portal is where the variables in `addresses` say, if
        they do. Where it `decides` nothing, the expressions that do are passed over, and so are their mistakes.

        Raises:
            RulesError: with every mistake and its position.
        """
        document = self.document
        resolution = resolve(document, providers, environ, known, addresses)
        shaped = shape.check(document, resolution, providers)
        compiled, mistaken = compile_rules(document, decides=decides)
        findings = [
            *document.findings,
            *resolution.findings,
            *shaped.findings,
            *references.check(document, providers),
            *mistaken,
        ]
        if findings:
            told = _presentable(findings, resolution.secrets)
            raise RulesError(with_excerpts(told, document, providers))
        return assemble(
            document,
            shaped,
            compiled,
            decides=decides,
            content=self._content,
            hash=rules_hash(self._content),
            secrets=frozenset(resolution.secrets),
        )


def rules_hash(content: bytes) -> str:
    """What tells one rules file from another (`RulesFile.hash`)."""
    return hashlib.sha256(content).hexdigest()[:16]


def read_file(path: str | FilePath) -> bytes:
    """The content of a rules file; of one that is too long, a byte more than is allowed.

    Raises:
        RulesError: it cannot be opened, as one mistake at 0:0. A named pipe is not: `serve` would wait for somebody who
            writes into it for ever, and take up no other rules.
    """
    why: object
    try:
        if FilePath(path).is_fifo() and not str(path).startswith("/dev/"):
            why = "it is a pipe"
        else:
            with FilePath(path).open("rb") as file:
                return file.read(MAX_BYTES + 1)
    except OSError as error:
        why = error.strerror or error
    message = f"the file cannot be read ({why}); write the path of a rules file, for serve with --rules or in RULES"
    raise RulesError([Finding(str(path), 0, 0, message, "unreadable")])


def parse(
    text: str | bytes,
    filename: str = "rules.yaml",
    *,
    providers: Mapping[str, type[BaseModel]],
    environ: Mapping[str, str] | None,
) -> RulesFile:
    """Check the content of a rules file without references to Secret Manager; as `Draft.checked`."""
    return Draft(text, filename).checked(providers=providers, environ=environ)


def _presentable(findings: Sequence[Finding], secrets: set[str]) -> list[Finding]:
    """In order, without repeats, without secrets that a provider's validator may have quoted, and not endless."""
    ordered = sorted({_redacted(finding, secrets) for finding in findings})
    if len(ordered) > MAX_FINDINGS:
        last = ordered[MAX_FINDINGS - 1]
        more = Finding(
            last.file, last.line, last.column, f"and {len(ordered) - MAX_FINDINGS + 1} more mistakes", "more"
        )
        ordered = [*ordered[: MAX_FINDINGS - 1], more]
    return ordered


def _redacted(finding: Finding, secrets: set[str]) -> Finding:
    message = finding.message
    for secret in secrets:
        if len(secret) > 3:
            message = message.replace(secret, "***")
    return replace(finding, message=message)
