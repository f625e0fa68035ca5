"""The rules file: reading it, checking it, and telling which of its rules an event meets.

Beside what is exported here: `explaining` and `deciding` say why a rule met an event or did not, `usage` which badges
are used, and `schema` writes the JSON Schema. They are imported by those who need them, for the functions do not.
"""

from badge_bridge.rulesfile.expressions import Expression
from badge_bridge.rulesfile.loading import Draft, parse, read_file, rules_hash
from badge_bridge.rulesfile.model import OwnerKind
from badge_bridge.rulesfile.rules import (
    Attach,
    Badge,
    Clear,
    Judgement,
    Limits,
    OAuthApp,
    Portal,
    Rule,
    RulesFile,
)
from badge_bridge.rulesfile.templates import Template

__all__ = [
    "Attach",
    "Badge",
    "Clear",
    "Draft",
    "Expression",
    "Judgement",
    "Limits",
    "OAuthApp",
    "OwnerKind",
    "Portal",
    "Rule",
    "RulesFile",
    "Template",
    "parse",
    "read_file",
    "rules_hash",
]
