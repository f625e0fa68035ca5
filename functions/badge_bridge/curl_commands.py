"""Deliveries as curl commands: as `badge-bridge sign` prints them, and as browsers and request inspectors copy them.

    curl --include --header 'content-type: application/json' --data-raw '{"id": 1}' https://host/hooks/reception

Only what makes a request is read: no command is run, and no file is looked at.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from badge_bridge.sources.base import Delivery

__all__ = ["Request", "read", "write"]

_VALUES = {
    "-H": "--header",
    "-d": "--data",
    "-X": "--request",
    "-u": "--user",
    "-A": "--user-agent",
    "-m": "--max-time",
    "-o": "--output",
    "-w": "--write-out",
    "-b": "--cookie",
}
"""Options with a value, by their short names."""
_LONG_VALUES = frozenset(
    {*_VALUES.values(), "--url", "--data-raw", "--data-binary", "--data-ascii", "--connect-timeout", "--json"}
)
_FLAGS = frozenset(
    {"--include", "--silent", "--show-error", "--verbose", "--location", "--insecure", "--compressed", "--fail"}
)
_SHORT_FLAGS = re.compile(r"-[isSvLkfg]+")

_GAP = re.compile(r"(?:[ \t]|\\\r?\n)+")
_END = re.compile(r"\r?\n|;|&&")
_PART = re.compile(
    r"""\$'(?P<ansi>(?:\\.|[^'\\])*)'|'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|\\(?P<one>[^\r\n])"""
    r"""|(?P<plain>[^\s'"\\;&|<>`()]+)""",
    re.DOTALL,
)
_ANSI = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{1,2})|u(?P<u>[0-9a-fA-F]{1,4})|(?P<octal>[0-7]{1,3})|(?P<other>.))", re.DOTALL
)
_ANSI_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}


@dataclass(slots=True)
class Request:
    """What one command sends."""

    method: str = ""
    url: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Values as a server reads them: their bytes as Latin-1."""
    body: bytes | None = None


def write(delivery: Delivery, url: str) -> str:
    """One command that sends the delivery, for a shell.

    Raises:
        ValueError: no shell can pass its body on.
    """
    words = ["curl", "--include"]
    if delivery.method != ("POST" if delivery.body else "GET"):
        words += ["--request", delivery.method]
    for name, value in delivery.headers:
        words += ["--header", _quoted(f"{name}: {value}".encode())]
    if delivery.body:
        # Not --data-binary, for which a body that begins with @ is the name of a file.
        words += ["--data-raw", _quoted(delivery.body)]
    return " ".join([*words, _quoted(url.encode())])


def read(content: bytes) -> list[Request]:
    """The requests of a file of commands.

    Raises:
        ValueError: says which part is not understood.
    """
    # Bytes that are no UTF-8 stay what they are: a signature covers them.
    return [_request(words) for words in _commands(content.decode("utf-8", "surrogateescape")) if words]


def _quoted(word: bytes) -> str:
    """A word that stays on its line in a terminal, and that bash and zsh read as these bytes."""
    if b"\0" in word:
        raise ValueError("it has a zero byte, which no shell can pass on")
    try:
        text = word.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if text.replace("\n", "").isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_escaped(byte) for byte in word) + "'"


def _escaped(byte: int) -> str:
    if chr(byte) in "'\\":
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7F or byte == 0x0A else f"\\{byte:03o}"


def _commands(text: str) -> Iterator[list[str]]:
    """The words of each command, with their quotes taken off."""
    words: list[str] = []
    at = 0
    while at < len(text):
        if gap := _GAP.match(text, at):
            at = gap.end()
        elif end := _END.match(text, at):
            yield words
            words, at = [], end.end()
        else:
            word, at = _word(text, at)
            words.append(word)
    yield words


def _word(text: str, start: int) -> tuple[str, int]:
    parts, at = [], start
    while part := _PART.match(text, at):
        parts.append(_unquoted(part))
        at = part.end()
    if at == start or text[at : at + 1] in ("'", '"'):
        line = text.count("\n", 0, at) + 1
        kind = "a quote is not closed" if text[at] in "'\"" else f"{text[at]} stands outside of quotes"
        raise ValueError(f"line {line}: {kind}")
    return "".join(parts), at


def _unquoted(part: re.Match[str]) -> str:
    if part["ansi"] is not None:
        return _ANSI.sub(_ansi, part["ansi"]).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    if part["double"] is not None:
        return re.sub(r"\\(\r?\n|[\"\\$`])", lambda found: found[1].strip("\r\n"), part["double"])
    return next(found for found in (part["single"], part["one"], part["plain"]) if found is not None)


def _ansi(escape: re.Match[str]) -> str:
    if escape["u"]:
        return chr(int(escape["u"], 16))
    if escape["hex"] or escape["octal"]:
        byte = int(escape["hex"], 16) if escape["hex"] else int(escape["octal"], 8) & 0xFF
        return bytes([byte]).decode("ascii", "surrogateescape")
    return _ANSI_LETTERS.get(escape["other"], escape["other"])


def _request(words: Sequence[str]) -> Request:
    if words[0] != "curl":
        raise ValueError(f"{words[0][:100]} is no curl command")
    request, parts = Request(), list[bytes]()
    rest = iter(words[1:])
    for word in rest:
        name, value = _option(word)
        if name in _LONG_VALUES and value is None:
            value = next(rest, None)
            if value is None:
                raise ValueError(f"{word} has nothing after it")
        if value is not None:
            _take(request, parts, name, value)
    if not request.url:
        raise ValueError("a command has no URL")
    # Put together once: there may be a million of them.
    request.body = b"".join(parts) if parts else None
    request.method = request.method or ("GET" if request.body is None else "POST")
    if request.body is not None and not any(name == "content-type" for name, _ in request.headers):
        request.headers.append(("content-type", "application/x-www-form-urlencoded"))
    return request


def _option(word: str) -> tuple[str, str | None]:
    """The long name of an option, and its value where it is in the same word; a URL is one too."""
    if not word.startswith("-"):
        return "--url", word
    if word in _FLAGS or _SHORT_FLAGS.fullmatch(word):
        return "", None
    if word in _LONG_VALUES:
        return word, None
    if word[:2] in _VALUES:
        return _VALUES[word[:2]], word[2:] or None
    raise ValueError(f"curl's option {word[:100]} is not read here; leave it out if it changes nothing of the request")


def _take(request: Request, parts: list[bytes], name: str, value: str) -> None:
    """Add what an option says to the request, and to the parts of its body."""
    sent = value.encode("utf-8", "surrogateescape")
    if name == "--url":
        if request.url:
            raise ValueError(f"a command has two URLs: {request.url[:100]} and {value[:100]}")
        request.url = value
    elif name == "--request":
        request.method = value
    elif name == "--header":
        header, _, content = sent.decode("latin-1").partition(":")
        request.headers.append((header.strip().lower(), content.strip()))
    elif name == "--user-agent":
        request.headers.append(("user-agent", sent.decode("latin-1")))
    elif name == "--user":
        request.headers.append(("authorization", f"Basic {base64.b64encode(sent).decode('ascii')}"))
    elif name.startswith("--data"):
        if value.startswith("@") and name != "--data-raw":
            raise ValueError(
                f"the body is in another file ({value[1:100]}); write it into the command, with --data-raw"
            )
        parts += [b"&", sent] if parts else [sent]
    elif name == "--json":
        parts.append(sent)
        request.headers.append(("content-type", "application/json"))
