"""The rules file: reading it, checking it, and telling which of its rules an event meets."""

from badge_bridge.rulesfile.expressions import Expression
from badge_bridge.rulesfile.loading import load, parse
from badge_bridge.rulesfile.model import OwnerKind
from badge_bridge.rulesfile.rules import Attach, Badge, Clear, Judgement, Limits, OAuthApp, Portal, Rule, RulesFile
from badge_bridge.rulesfile.schema import json_schema
from badge_bridge.rulesfile.templates import Template

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
    "json_schema",
    "load",
    "parse",
]
