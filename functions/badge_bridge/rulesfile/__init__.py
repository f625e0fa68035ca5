"""The rules file: reading it, checking it, and telling which of its rules an event meets."""

from badge_bridge.rulesfile.loading import load, parse
from badge_bridge.rulesfile.rules import Badge, Decision, Judgement, Portal, Rule, RulesFile
from badge_bridge.rulesfile.schema import json_schema

__all__ = ["Badge", "Decision", "Judgement", "Portal", "Rule", "RulesFile", "json_schema", "load", "parse"]
