"""What is wrong with an expression that cannot be parsed, and what to write instead.

The engine tells which token it could not go on with and lists what else it would have taken, which says little of what
was meant: of `a == '1 && b` it names a quote, of `a => b` the first half of the sign. So where it cannot parse an
expression, the tokens are gone through here for what people mistype; what it says counts only where nothing is found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from badge_bridge.cel.functions import FUNCTIONS
from badge_bridge.cel.tokens import Token, open_text, tokens_of

__all__ = ["explain", "instead_of"]

_INSTEAD: Mapping[str, str] = {
    "=": "==",
    "===": "==",
    ":=": "==",
    "!==": "!=",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "!=>": "!= or >=",
    "<=>": "== or <=",
    "&": "&&",
    "|": "||",
    "^": "!= for one or the other, but not both",
    "~=": "text.matches('^[0-9]+$')",
    "=~": "text.matches('^[0-9]+$')",
    "!~": "!text.matches('^[0-9]+$')",
    "~": "text.matches('^[0-9]+$')",
    "**": "a multiplication, such as 2 * 2",
    "++": "a sum, such as 1 + 1",
    "..": "one dot, such as event.caller",
    "?.": "has(event.data.key) before it is used",
    "->": "a comma, such as values.exists(x, x > 1)",
    "and": "&&",
    "or": "||",
    "not": "!",
    "AND": "&&",
    "OR": "||",
    "NOT": "!",
    "And": "&&",
    "Or": "||",
    "Not": "!",
    "True": "true",
    "False": "false",
    "None": "null",
    "nil": "null",
}
"""Signs and words of other languages."""

_BETWEEN: Mapping[str, str] = {
    "is": "==",
    "equals": "==",
    "eq": "==",
    "ne": "!=",
    "xor": "!= for one or the other, but not both",
    "like": FUNCTIONS["contains"],
    "includes": FUNCTIONS["contains"],
    "starts": FUNCTIONS["startsWith"],
    "begins": FUNCTIONS["startsWith"],
    "ends": FUNCTIONS["endsWith"],
    "between": "two comparisons, such as event.duration >= 1 && event.duration <= 5",
    "mod": "%",
    "then": "condition ? 'this' : 'that'",
    "if": "condition ? 'this' : 'that'",
    "else": "condition ? 'this' : 'that'",
}
"""What stands between two values in other languages, besides."""

_LEFT_OUT = frozenset({"if", "when", "unless", "return", "let", "var", "const", "for", "while", "lambda", "function"})
"""What an expression begins with elsewhere."""

_QUOTES = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\u00ab\u00bb\u00b4`")
"""Such as word processors make of ' and "."""

_ESCAPE = re.compile(
    r"(?P<good>\\(?:[abfnrtv\\?\"'`]|[0-3][0-7]{2}|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))|\\.", re.DOTALL
)
_NO_COMMENT = "begins no comment in an expression; write the comment into a line of its own, outside of it"
_STRAY = "cannot stand here; remove it, or put quotes around the text that it is part of"
_ALONE: Mapping[str, str] = {
    ";": "';' cannot stand here; remove it, and join two conditions with && or ||",
    "#": f"# {_NO_COMMENT}",
    "/*": f"/* {_NO_COMMENT}",
    "$": "'$' cannot stand here; write a field by its name, such as event.caller",
    "@": f"'@' {_STRAY}",
    "\\": f"'\\' {_STRAY}",
}
"""Signs that stand for nothing in an expression."""

_COMPARING = frozenset({"==", "!=", "<", "<=", ">", ">="})
_BINARY = _COMPARING | {"&&", "||", "*", "/", "%", "+", "-", "?", ":", "in"}
_CLOSED_BY = {"(": ")", "[": "]", "{": "}"}
_UNITS = frozenset({"ms", "s", "sec", "secs", "second", "seconds", "m", "min", "minutes", "h", "hours", "d", "days"})
_RESERVED = frozenset({"in", "true", "false", "null"})

_TOO_EARLY = "the expression ends too early; something is missing at its end"


def instead_of(word: str) -> str | None:
    """The sentence for a word or sign of another language; None where it is none that is known."""
    return f"'{word}' is not known here; write {_INSTEAD[word]}" if word in _INSTEAD else None


def explain(text: str, offset: int) -> Sequence[tuple[int, str]]:
    """Each mistake: where it is, as characters from the beginning, and a sentence that says what to write. `offset` is
    where the engine gave up.

    All signs and words are told that have a sign of ours in their place; of any other mistake nobody knows how what
    comes after it was meant.
    """
    tokens = tokens_of(text)
    if in_quotes := _in_quotes(tokens, offset):
        return [in_quotes]
    walk = _Walk(text, tokens)
    found: list[tuple[int, str]] = []
    for at in range(len(tokens)):
        if mistake := walk.mistake(at):
            found.append(mistake)
            if not walk.replace(at):
                return found
    end = len(text.rstrip())
    last = walk.tokens[-1] if tokens else None
    if last is not None and last.kind == "sign" and last.text not in {")", "]", "}"}:
        found.append((end, _TOO_EARLY))
    elif walk.open:
        wanted = _CLOSED_BY[walk.open[-1].text]
        found.append((end, f"the expression ends before what was opened is closed; add '{wanted}'"))
    return found or [_where_it_stopped(tokens, offset, end)]


def _where_it_stopped(tokens: Sequence[Token], offset: int, end: int) -> tuple[int, str]:
    """As the engine has it."""
    stopped = next((token for token in tokens if token.start <= offset < token.end), None)
    if stopped is None:
        return end, _TOO_EARLY
    return stopped.start, f"{stopped.shown} cannot stand here; remove it, or join it with && or || to what is before"


def _in_quotes(tokens: Sequence[Token], offset: int) -> tuple[int, str] | None:
    """A text that does not end, ends too early, or has a backslash before what needs none."""
    for before, after in pairwise(tokens):
        touches = before.end == after.start and before.kind == "text" and after.kind != "sign"
        if touches and before.text in {"''", '""'}:
            return before.start, f"{before.text} is a text with nothing in it; write one quote on either side of a text"
        if touches and after.kind == "name":
            other = '"' if before.text.endswith("'") else "'"
            return before.end - 1, f"the text ends here; where this quote is part of it, begin and end it with {other}"
    if (begin := open_text(tokens)) is not None:
        return begin.start, f"the text that begins here has no end; close it with {begin.text}"
    stopped = next((token for token in tokens if token.start == offset and token.text[0] in "'\"bB"), None)
    escapes = _ESCAPE.finditer(stopped.text) if stopped is not None and stopped.kind == "text" else ()
    if stopped is not None and (bad := next((one for one in escapes if one["good"] is None), None)):
        return stopped.start + bad.start(), f"{bad[0]} means nothing in a text; write \\\\ for a backslash"
    return None


@dataclass(frozen=True, slots=True)
class _Around:
    """A token and what is beside it."""

    token: Token
    before: Token | None
    after: Token | None

    @property
    def follows_value(self) -> bool:
        return self.before is not None and self.before.ends_value

    def precedes(self, *texts: str) -> bool:
        return self.after is not None and self.after.text in texts


class _Walk:
    """From the left to the right. `tokens` are as they should have been written, as far as that is known; `open` are
    the brackets that are not closed yet.
    """

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self.tokens = [*tokens]
        self.open: list[Token] = []
        self._calls: set[int] = set()
        """Where a bracket opens the arguments of a call."""

    def mistake(self, at: int) -> tuple[int, str] | None:
        """What is wrong with the token, and at which character; None where it may stand there."""
        one = _Around(
            self.tokens[at],
            self.tokens[at - 1] if at else None,
            self.tokens[at + 1] if at + 1 < len(self.tokens) else None,
        )
        if one.token.kind == "sign":
            said = self._sign(one, at) or self._bracket(one) or self._operator(one)
        else:
            said = self._word(one) or self._beside(one)
        return None if said is None else (one.token.start, said)

    def replace(self, at: int) -> bool:
        """Go on as if there was written what should be; False where that is not known."""
        token = self.tokens[at]
        meant = _INSTEAD.get(token.text, "")
        is_cut = at + 1 < len(self.tokens) and self.tokens[at + 1].text in {"=", "==", "&", "|"}
        if is_cut or meant not in _BINARY | {"!"} or (meant == "!") == (at > 0 and self.tokens[at - 1].ends_value):
            return False
        self.tokens[at] = Token("sign", meant, token.start)
        return True

    def _sign(self, one: _Around, at: int) -> str | None:
        """Signs that there are not."""
        sign = one.token.text
        is_cut = one.precedes(sign) if sign in {"&", "|"} else sign in {"=", "<", ">", "!"} and one.precedes("=", "==")
        if is_cut and one.after is not None:
            meant = sign * 2 if sign in {"=", "&", "|"} else f"{sign}="
            return f"'{sign} {one.after.text}' has a blank in it or is too long; write {meant}"
        if sign in {"=>", "->"} and at > 1 and self.tokens[at - 2].text == "(":
            return f"'{sign}' is not known here; write a comma, such as {FUNCTIONS['exists']}"
        if sign in _QUOTES:
            return f"{sign} is no quote here; write ' before and behind a text"
        return _ALONE.get(sign) or instead_of(sign)

    def _bracket(self, one: _Around) -> str | None:
        sign = one.token.text
        if sign == "{" and not one.follows_value and re.match(r"\{+\s*[\w.]+\s*\}", self._text[one.token.start :]):
            return "braces cannot stand around a field; write it by its name, such as event.caller"
        if sign in _CLOSED_BY:
            if sign == "(" and one.before is not None and one.before.kind == "name":
                self._calls.add(one.token.start)
            elif sign == "(" and one.precedes(")"):
                return "nothing is between these parentheses; write a condition into them, or remove them"
            self.open.append(one.token)
        elif sign in _CLOSED_BY.values():
            return self._closing(sign)
        return None

    def _closing(self, sign: str) -> str | None:
        if not self.open:
            opening = next(one for one, other in _CLOSED_BY.items() if other == sign)
            return f"'{sign}' closes nothing; remove it, or add '{opening}' before it"
        opened = self.open.pop().text
        wanted = _CLOSED_BY[opened]
        return None if wanted == sign else f"'{opened}' is not closed before this '{sign}'; add '{wanted}'"

    def _operator(self, one: _Around) -> str | None:
        sign = one.token.text
        if sign == ".":
            return _dot(one)
        if sign == ",":
            return self._comma(one)
        if sign == ":" and not any(token.text in {"?", "{"} for token in self._before(one)):
            return _colon(one)
        if sign == "!" and one.follows_value:
            how = "!(event.caller in ['1', '2'])" if one.precedes("in") else "!= for not equal"
            return f"'!' stands before what is denied; write {how}"
        if sign not in _BINARY or sign == "-" or one.follows_value:
            return None
        return _nothing_before(one)

    def _before(self, one: _Around) -> Sequence[Token]:
        return [token for token in self.tokens if token.start < one.token.start]

    def _comma(self, one: _Around) -> str | None:
        if one.before is None or (not one.follows_value and not self.open):
            return "nothing is before this comma; remove it"
        if not one.follows_value:
            return f"something is missing between {one.before.shown} and this comma; add it, or remove the comma"
        if not self.open and one.before.kind == "number" and one.after is not None and one.after.kind == "number":
            whole = one.before.text.replace(".", "")
            return f"a decimal number has a point, and no other sign; write {whole}.{one.after.text}"
        inside = self.open[-1] if self.open else None
        is_list = any(token.text == "in" for token in self._before(one))
        if inside is None and not is_list:
            return "a comma cannot stand here; join two conditions with && or ||"
        if inside is None or (inside.text in {"(", "{"} and inside.start not in self._calls and is_list):
            return "several values stand in a list; write in ['1', '2']"
        return None

    def _word(self, one: _Around) -> str | None:
        """Words that are no operators here."""
        if one.token.kind != "name" or (one.before is not None and one.before.text == "."):
            return None
        word = one.token.text
        if one.follows_value:
            return _between(one)
        if one.after is None or not (one.after.begins_value or one.after.text in {"(", "!"}):
            return None
        if word in _LEFT_OUT:
            return f"an expression does not begin with '{word}'; leave it out, and write such as event.duration < 5"
        return instead_of(word)

    def _beside(self, one: _Around) -> str | None:
        """A value right behind another one."""
        before, token = one.before, one.token
        if before is None or not before.ends_value:
            return None
        if before.kind == "name" and before.text in FUNCTIONS:
            return f"parentheses are missing behind {before.text}; write {FUNCTIONS[before.text]}"
        if before.kind == "number" and token.text in _UNITS:
            return "a number has no unit; event.duration counts seconds, and a length of time is duration('90s')"
        if before.kind == "number" and token.kind == "number":
            return "this number stands right behind another one; put quotes around a telephone number"
        if self.open and (self.open[-1].text == "[" or self.open[-1].start in self._calls):
            return f"a comma is missing before {token.shown}; add it"
        return (
            f"an operator is missing before {token.shown}; add && or || between two conditions, == between two values"
        )


def _between(one: _Around) -> str | None:
    """Of a word where an operator is expected."""
    word = one.token.text
    if word in {"not", "NOT"} and one.precedes("in"):
        return f"'{word} in' is not known here; write !(event.caller in ['1', '2'])"
    if word in FUNCTIONS:
        return f"'{word}' cannot stand here; write {FUNCTIONS[word]}"
    return f"'{word}' is not known here; write {_BETWEEN[word]}" if word in _BETWEEN else instead_of(word)


def _dot(one: _Around) -> str | None:
    after = one.after
    if after is None or (after.kind == "name" and after.text not in _RESERVED):
        return None
    if after.text == "[":
        return "a dot and a bracket cannot stand together; write event.data.list[0] without the dot before [0]"
    if after.kind == "number":
        return f"a place in a list is written in brackets; write [{after.text}] instead of .{after.text}"
    if after.kind == "text" or after.text in _RESERVED:
        name = after.text if after.kind == "text" else f"'{after.text}'"
        return f"such a key is written in brackets; write [{name}] instead of .{after.text}"
    return "the name of a field is missing behind this dot; add it, such as event.caller"


def _colon(one: _Around) -> str:
    before, after = one.before, one.after
    if before is not None and after is not None and before.kind == after.kind == "number":
        return "a time of day cannot be written like this; write event.time.getHours('Europe/Berlin') >= 9"
    return "':' cannot stand here; it belongs to condition ? 'this' : 'that'"


def _nothing_before(one: _Around) -> str:
    """Of an operator with no value on its left."""
    sign, before, after = one.token.text, one.before, one.after
    if sign == "+" and after is not None and after.kind == "number":
        return f"'+' cannot stand before a number; a telephone number is a text, so write '+{after.text}'"
    if sign == "/":
        return f"a pattern is a text here; write {FUNCTIONS['matches']}"
    if sign == "*":
        return "'*' stands for nothing here; leave the comparison out, or ask with has(event.data.key)"
    if sign in _COMPARING and before is not None and before.text in {"&&", "||"}:
        both = "event.duration > 1 && event.duration < 5"
        return f"nothing is before '{sign}'; write what is compared once more, such as {both}"
    if before is None or before.text in _CLOSED_BY:
        return f"nothing is before '{sign}'; add a value or a condition there, or remove it"
    return f"nothing is between '{before.text}' and '{sign}'; add a value or a condition there, or remove one of them"
