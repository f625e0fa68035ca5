"""The rules file: reading it, checking it, and telling which of its rules an event meets."""

from badge_bridge.rulesfile.loading import load, parse
from badge_bridge.rulesfile.rules import Badge, Judgement, Portal, Rule, RulesFile
from badge_bridge.rulesfile.schema import json_schema

__all__ = ["Badge", "Judgement", "Portal", "Rule", "RulesFile", "json_schema", "load", "parse"]
