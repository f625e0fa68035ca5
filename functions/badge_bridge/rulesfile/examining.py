"""A whole look at a rules file: its mistakes, or where it has none, what is probably not meant in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from badge_bridge.errors import Finding, RulesError
from badge_bridge.rulesfile.cautions import cautions
from badge_bridge.rulesfile.excerpts import with_excerpts
from badge_bridge.rulesfile.loading import MAX_FINDINGS, Draft
from badge_bridge.rulesfile.rules import RulesFile
from badge_bridge.rulesfile.secrets import Known

__all__ = ["Examined", "examine", "examine_text", "warnings"]


@dataclass(frozen=True, slots=True)
class Examined:
    """`rules` are None where there are errors, which are all the findings then; else these are warnings and notes."""

    rules: RulesFile | None
    findings: tuple[Finding, ...]


def examine(
    draft: Draft, *, providers: Mapping[str, type[BaseModel]], environ: Mapping[str, str] | None, known: Known
) -> Examined:
    """Check a draft as `Draft.checked` does, and look for what is probably not meant. Never raises."""
    try:
        rules = draft.checked(providers=providers, environ=environ, known=known)
    except RulesError as error:
        return Examined(None, error.findings)
    found = sorted(set(cautions(draft.document, rules)))[:MAX_FINDINGS]
    return Examined(rules, tuple(with_excerpts(found, draft.document, providers)))


def examine_text(text: str, filename: str, *, providers: Mapping[str, type[BaseModel]]) -> Examined:
    """The same for a text whose secrets do not matter: for an editor that shows what it would be. Never raises."""
    try:
        draft = Draft(text, filename)
    except RulesError as error:
        return Examined(None, error.findings)
    return examine(draft, providers=providers, environ=None, known={})


def warnings(rules: RulesFile, *, providers: Mapping[str, type[BaseModel]]) -> int:
    """How many warnings there are about rules that are in use. It takes twice as long as loading them. Never raises."""
    examined = examine(Draft(rules.content, rules.filename), providers=providers, environ=None, known={})
    return sum(finding.severity == "warning" for finding in examined.findings) if examined.rules is not None else 0
