"""Words as bash reads and writes them: quotes are taken off and put on, and nothing is ever run or filled in.

A pattern (`?`, `*`, `[a]`) stays what it is, as in bash where it fits no file. A line may end as on Windows, where bash
would take the carriage return for a part of the last word.

Sources: POSIX.1-2017, "Shell Command Language", 2.2 Quoting; the Bash Reference Manual, "ANSI-C Quoting".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

__all__ = ["commands", "quoted"]

_EXPANDED = r"\$(?=[\w({\[@*#?$!-]|\\\r?\n)|`"
"""Begins what a shell puts something else in the place of: `$NAME`, `${...}`, `$(...)`, `` `...` ``."""
_GAP = re.compile(r"(?:[ \t]|\\\r?\n|#[^\r\n]*)+")
_END = re.compile(r"\r?\n|;|&&")
_IN_DOUBLE = rf"(?:\\.|(?!{_EXPANDED})[^\"\\])*"
_PART = re.compile(
    r"""\$'(?P<ansi>(?:\\.|[^'\\])*)'|'(?P<single>[^']*)'"""
    rf"""|\$?"(?P<double>{_IN_DOUBLE})"|\\(?P<one>[^\r\n]|\r?\n)"""
    rf"""|(?P<plain>(?:(?!{_EXPANDED}|\$['"])[^\s'"\\;&|<>()^])+)""",
    re.DOTALL,
)
_OPEN = re.compile(rf"""\$?"{_IN_DOUBLE}""", re.DOTALL)
"""What can be read of a word in double quotes that is not complete."""
_HOME = re.compile(r"^~|[=:]~(?:/|$|:)")
_REPLACED = "a shell would put something in the place of {:.60}; write it out, between single quotes"
_NAME = re.compile(r"`|\$(?:\w+|[{(\[]\w*|.)")
_ANSI = re.compile(
    r"\\(?:(?P<brace>x\{)|x(?P<hex>[0-9a-fA-F]{1,2})|u(?P<u>[0-9a-fA-F]{1,4})|U(?P<U>[0-9a-fA-F]{1,8})|c(?P<control>\\\\|[^'])"
    r"|(?P<octal>[0-7]{1,3})|(?P<other>.))",
    re.DOTALL,
)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}
_ANSI_ESCAPES = {**_LETTERS, **{letter: letter for letter in "\\'\"?"}}
_ZERO_BYTE = "it has a zero byte, which no shell can pass on"


def quoted(word: bytes) -> str:
    """A word that stays on its line in a terminal, and that bash and zsh read as these bytes.

    Raises:
        ValueError: it has a zero byte.
    """
    if b"\0" in word:
        raise ValueError(_ZERO_BYTE)
    try:
        text = word.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if text.replace("\n", "").isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_escaped(byte) for byte in word) + "'"


def commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """The words of each command, and the line that it begins on; comments and empty lines are none.

    Raises:
        ValueError: names the line, and what on it is more than words.
    """
    words: list[str] = []
    at, line, counted = 0, 1, 0
    while at < len(text):
        if gap := _GAP.match(text, at):
            at = gap.end()
        elif end := _END.match(text, at):
            if words:
                yield line, words
            words, at = [], end.end()
        else:
            if not words:
                line, counted = line + text.count("\n", counted, at), at
            word, at = _word(text, at)
            words.append(word)
    if words:
        yield line, words


def _escaped(byte: int) -> str:
    if chr(byte) in "'\\":
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7F or byte == 0x0A else f"\\{byte:03o}"


def _word(text: str, start: int) -> tuple[str, int]:
    parts, bare, at = [], [], start
    while part := _PART.match(text, at):
        try:
            parts.append(_unquoted(part))
        except ValueError as error:
            raise _wrong(text, at, str(error)) from None
        bare.append(part["plain"] or "'")
        at = part.end()
    if at == start or text[at : at + 1] in ("'", '"', "$", "`", "^"):
        raise _wrong(text, at, _misread(text, at))
    if "\0" in (word := "".join(parts)):
        raise _wrong(text, start, _ZERO_BYTE)
    if expanded := _expanded("".join(bare)):
        raise _wrong(text, start, _REPLACED.format(expanded))
    return word, at


def _expanded(bare: str) -> str:
    """What bash would take for several words or for a folder; `bare` has a quote for all that is quoted."""
    if home := _HOME.search(bare):
        return home[0]
    first, last = bare.find("{"), bare.rfind("}")
    several = 0 <= first < last and ("," in bare[first:last] or ".." in bare[first:last])
    return bare[first : last + 1] if several else ""


def _wrong(text: str, at: int, what: str) -> ValueError:
    line = text.count("\n", 0, at) + 1
    return ValueError(f"line {line}: {what}")


def _misread(text: str, at: int) -> str:
    """Why no word can be read on from here."""
    stop = opened.end() if (opened := _OPEN.match(text, at)) else at
    if name := _NAME.match(text, stop):
        return _REPLACED.format(name[0])
    if text[at] in "'\"$":
        return "a quote is not closed"
    if text[at] == "^":
        return "^ stands outside of quotes; copy the command for bash, not for cmd"
    shown = text[at] if text[at].isprintable() and text[at].isascii() else f"U+{ord(text[at]):04X}"
    return f"{shown} stands outside of quotes"


def _unquoted(part: re.Match[str]) -> str:
    if part["ansi"] is not None:
        return _ANSI.sub(_ansi, part["ansi"]).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    if part["double"] is not None:
        return re.sub(r"\\(\r?\n|[\"\\$`])", lambda found: found[1].strip("\r\n"), part["double"])
    if part["one"] is not None:
        return part["one"].strip("\r\n")
    return part["plain"] if part["single"] is None else part["single"]


def _ansi(escape: re.Match[str]) -> str:
    if code := escape["u"] or escape["U"]:
        return _character(escape[0], int(code, 16))
    if escape["brace"]:
        raise ValueError("\\x{ is read by some shells only; write the character itself")
    if escape["control"]:
        return _control(escape[0], escape["control"][0])
    if escape["hex"] or escape["octal"]:
        byte = int(escape["hex"], 16) if escape["hex"] else int(escape["octal"], 8) & 0xFF
        return bytes([byte]).decode("ascii", "surrogateescape")
    return _ANSI_ESCAPES.get(escape["other"], escape[0])


def _control(written: str, letter: str) -> str:
    if not letter.isascii():
        raise ValueError(f"{written} is no control character")
    return "\x7f" if letter == "?" else chr(ord(letter) & 0x1F)


def _character(written: str, code: int) -> str:
    if 0xD800 <= code < 0xE000:
        raise ValueError(f"{written} is half of a character, and shells make no whole one of two; write it as itself")
    if code > 0x10FFFF:
        raise ValueError(f"{written} is no character")
    return chr(code)
