"""The kinds of findings: their codes, which stay the same, each with its meaning as the README has it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ERRORS", "NOTES", "WARNINGS"]

ERRORS: Mapping[str, str] = {
    "unreadable": "the file cannot be opened, is larger than 1 MiB, or is not UTF-8",
    "syntax": "it is no YAML, or no rules file at all",
    "not-taken": "anchors, aliases and tags of YAML, which a rules file cannot have",
    "repeated-key": "a key stands twice in one place",
    "unknown-key": "there is no such key here",
    "missing-key": "a key is missing",
    "wrong-value": "the value is none that the key can have",
    "unknown-name": "there is no such badge, source, portal, provider or scheme",
    "unknown-type": "no call has this type",
    "taken": "two rules have one name, or two badges one code",
    "portal-needed": "there are several portals, and nothing says which is meant",
    "contradiction": "two keys do not go together, or a portal cannot do what a rule asks of it",
    "secret-written": "a secret stands in the file",
    "secret-missing": "a variable is not set, or Secret Manager does not give a secret",
    "wrong-reference": "`${NAME}` or `sm://NAME` is not written as it must be",
    "expression": "a CEL expression cannot be used",
    "placeholder": "a text has a placeholder that stands for nothing",
    "more": "there are more mistakes than are told",
}

NOTES: Mapping[str, str] = {
    "weak-check": "the check of a source proves little; most often that is all that its provider offers",
    "not-compared": "there are so many rules that not every two of them were compared",
}

WARNINGS: Mapping[str, str] = {
    "unused-badge": "no rule names this badge",
    "unused-source": "no rule takes an event of this source, and none is cleared by one",
    "unused-portal": "no rule acts on this portal, and no source belongs to it",
    "never-sent": "no source of the rule sends events of this type, or the source sends none of the rule's types",
    "impossible-value": "a field is compared with a value that it never has",
    "never-matches": "the condition, or a part of it, cannot be true",
    "repeated-rule": "an earlier rule does the same for the same events",
    "hidden-badge": "another rule puts its badge on the same card for the same events, and a card shows one",
    "no-customer": "the events name nobody whose card could be found, or whose badge could be cleared",
}
