"""Which of the names that exist somebody meant who wrote one that does not: for every "did you mean".

A suggestion that is wrong costs more than none, since it is followed. So two names are near when they are alike as a
whole and each word that differs is alike by itself: `CLIENT_ID` is not a slip of `CLIENT_SECRET`, however much they
have in common. What says the opposite is never near, and neither is another number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

__all__ = ["closest", "suggest"]

MOST_LISTED = 20
"""Names in one message."""

LONGEST = 100
"""Characters: comparing takes time by their square, and nobody mistypes a longer name."""

NEAR = 0.65
"""By `SequenceMatcher.ratio`: `fone` and `phone` have 0.67, `colour` and `country` 0.62."""

NEAR_IF_SHORT = 0.74
"""Of names with at most four letters: one of four differs, or two have changed places."""

SURE = 0.9
"""What is as near as this counts before what a word means."""

_SHORT = 4
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\da-zA-Z_]+")
_OPPOSITES = ("un", "in", "non", "not", "no", "dis")
_APART = frozenset({"old", "new", "previous", "next", "test", "prod", "production", "staging", "dev", "backup"})
"""Words by which people tell two things apart that they know are alike."""

_MEANT: Mapping[str, Sequence[str]] = {
    # keys of a rule and of a badge
    "if": ("when",),
    "condition": ("when",),
    "colour": ("type",),
    "color": ("type",),
    "label": ("title",),
    "caption": ("title",),
    # fields of an event
    "date": ("time",),
    "timestamp": ("time",),
    "phone": ("caller",),
    "from": ("caller",),
    "callerid": ("caller",),
    "status": ("outcome",),
    "result": ("outcome",),
    "mail": ("email",),
    "kind": ("type",),
    "body": ("data",),
    "payload": ("data",),
    "seconds": ("duration",),
    # values
    "incoming": ("inbound",),
    "outgoing": ("outbound",),
    "unanswered": ("missed",),
    "noanswer": ("missed",),
    "lost": ("missed",),
    "red": ("failure",),
    "danger": ("failure",),
    "error": ("failure",),
    "green": ("success",),
    "yellow": ("warning",),
    "orange": ("warning",),
    "blue": ("primary",),
    "info": ("primary",),
    "grey": ("secondary",),
    "gray": ("secondary",),
    "opportunity": ("deal",),
    "person": ("contact",),
    "organisation": ("company",),
    "organization": ("company",),
    # commands
    "run": ("serve",),
    "start": ("serve",),
    "validate": ("check",),
    "lint": ("check",),
    "why": ("explain",),
}
"""By the letters of a word that is written elsewhere: what it is called here, where there is such a name."""


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or which names there are."""
    return _suggestion(name, tuple(known))


@lru_cache(maxsize=1000)
def _suggestion(name: str, known: tuple[str, ...]) -> str:
    """Remembered, since a renamed badge is missed by every rule that used it, and comparing is slow."""
    if close := closest(name, known):
        return f"did you mean '{close}'?"
    listed = ", ".join(known[:MOST_LISTED]) + (", ..." if len(known) > MOST_LISTED else "")
    return f"known are {listed}" if known else "there is none yet"


def closest(name: str, known: Iterable[str]) -> str:
    """The one of the names that was meant; empty where none is near enough to say so."""
    names = list(dict.fromkeys(known))
    if not 0 < len(name) <= LONGEST:
        return ""
    letters, words = _letters(name), sorted(_words(name))
    if not letters:
        return ""
    for one in names:
        if _letters(one) == letters or sorted(_words(one)) == words:
            return one
    near, one = max(
        ((_nearness(name, one), one) for one in names if len(one) <= LONGEST), key=lambda pair: pair[0], default=(0, "")
    )
    if near >= SURE:
        return one
    meant = next((one for one in _MEANT.get(letters, ()) if one in names), "")
    return meant or (one if near else "")


def _nearness(name: str, other: str) -> float:
    """The ratio of what two names have in common; 0 where it is too small, or they differ in what matters."""
    a, b = _letters(name), _letters(other)
    ratio = _ratio(a, b)
    if not _is_near(ratio, a, b):
        return 0
    mine, others = Counter(_words(name)), Counter(_words(other))
    lacks, has = list((others - mine).elements()), list((mine - others).elements())
    left, right = "".join(has), "".join(lacks)
    if _are_opposite(left, right) or not _APART.isdisjoint([*lacks, *has]):
        return 0
    if not mine & others:
        return ratio
    if left and right:  # else a word is missing or too many
        return ratio if _is_near(_ratio(left, right), left, right) else 0
    return ratio if len([*lacks, *has]) == 1 else 0


def _is_near(ratio: float, a: str, b: str) -> bool:
    return ratio >= (NEAR_IF_SHORT if max(len(a), len(b)) <= _SHORT else NEAR)


def _are_opposite(a: str, b: str) -> bool:
    shorter, longer = sorted((a, b), key=len)
    return any(longer == no + shorter for no in _OPPOSITES)


def _ratio(a: str, b: str) -> float:
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= NEAR and matcher.quick_ratio() >= NEAR else 0


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _words(name: str) -> Sequence[str]:
    return [word.casefold() for word in _WORD.findall(name)]
