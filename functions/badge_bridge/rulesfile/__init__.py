"""The rules file: reading it, checking it, and telling which of its rules an event meets."""

from badge_bridge.rulesfile.expressions import Expression
from badge_bridge.rulesfile.loading import load, parse
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
    customer_join,
)
from badge_bridge.rulesfile.schema import json_schema
from badge_bridge.rulesfile.templates import Template
from badge_bridge.rulesfile.usage import Usage, usage

__all__ = [
    "Attach",
    "Badge",
    "Clear",
    "Expression",
    "Judgement",
    "Limits",
    "OAuthApp",
    "OwnerKind",
    "Portal",
    "Rule",
    "RulesFile",
    "Template",
    "Usage",
    "customer_join",
    "json_schema",
    "load",
    "parse",
    "usage",
]
