"""The rules file: reading it, checking it, and telling which of its rules an event meets."""

from badge_bridge.rulesfile.deciding import Read, Weighed, deciding_parts
from badge_bridge.rulesfile.explaining import RuleExplained, explain_rules
from badge_bridge.rulesfile.expressions import Expression
from badge_bridge.rulesfile.loading import Draft, load, parse, read_file
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
    "Draft",
    "Expression",
    "Judgement",
    "Limits",
    "OAuthApp",
    "OwnerKind",
    "Portal",
    "Read",
    "Rule",
    "RuleExplained",
    "RulesFile",
    "Template",
    "Usage",
    "Weighed",
    "customer_join",
    "deciding_parts",
    "explain_rules",
    "json_schema",
    "load",
    "parse",
    "read_file",
    "usage",
]
