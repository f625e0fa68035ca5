"""Deliveries as curl commands: as `badge-bridge sign` prints them, and as browsers and request inspectors copy them.

    curl --include --header 'content-type: application/json' --data-raw '{"id": 1}' https://host/hooks/reception

Only what makes a request is read: no command is run, and no file is looked at. Source: curl's manual page.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus, unquote_to_bytes, urlsplit

from badge_bridge.shell_words import commands, quoted
from badge_bridge.sources.base import Delivery

__all__ = ["Request", "read", "write"]

_SHORT_VALUES = {
    "H": "--header",
    "d": "--data",
    "X": "--request",
    "u": "--user",
    "A": "--user-agent",
    "m": "--max-time",
    "o": "--output",
    "w": "--write-out",
    "b": "--cookie",
    "e": "--referer",
    "D": "--dump-header",
    "F": "--form",
    "T": "--upload-file",
    "K": "--config",
}
"""Options with a value, by their short names."""
_BODIES = frozenset({"--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--json"})
_VALUES = frozenset({*_SHORT_VALUES.values(), *_BODIES, "--url", "--connect-timeout", "--retry", "--cacert"})
_SHORT_FLAGS = "isSvLkfgN#046"
_FLAGS = frozenset(
    {
        "--include",
        "--silent",
        "--show-error",
        "--verbose",
        "--location",
        "--insecure",
        "--compressed",
        "--fail",
        "--fail-with-body",
        "--globoff",
        "--path-as-is",
        "--http1.0",
        "--http1.1",
        "--http2",
        "--no-buffer",
        "--no-progress-meter",
        "--ipv4",
        "--ipv6",
    }
)
_UNREAD = frozenset({"-G", "-I", "--get", "--head", "--form", "--form-string", "--upload-file", "--config"})
"""Options that make another body or request of the rest."""
_METHOD = re.compile(r"[A-Za-z-]+")
_HEADERS = {"--user-agent": "user-agent", "--referer": "referer", "--cookie": "cookie", "--user": "authorization"}
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?::(?P<value>[^\r\n]*)|(?P<empty>;))")
"""With nothing but spaces after the colon, curl leaves it out; `Name;` is one without a value."""


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
        # With nothing after a colon, curl leaves the header out.
        words += ["--header", quoted(f"{name}: {value}".encode("latin-1") if value else f"{name};".encode())]
    if delivery.body:
        # Not --data-binary, for which a body that begins with @ is the name of a file.
        words += ["--data-raw", quoted(delivery.body)]
    return " ".join([*words, quoted(url.encode())])


def read(content: bytes) -> list[Request]:
    """The requests of a file of commands.

    Raises:
        ValueError: says which part is not understood.
    """
    # Bytes that are no UTF-8 stay what they are: a signature covers them.
    return [_request(line, words) for line, words in commands(content.decode("utf-8", "surrogateescape"))]


@dataclass(slots=True)
class _Command:
    """What a command says, before curl's own headers are added."""

    request: Request = field(default_factory=Request)
    parts: list[bytes] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    """Headers that are given or taken away: curl adds none of these names itself."""
    own: dict[str, str] = field(default_factory=dict)
    """Headers that curl adds by itself."""
    flags: set[str] = field(default_factory=set)


def _request(line: int, words: Sequence[str]) -> Request:
    # Behind the prompt that was copied with it.
    name, *rest = words[1:] if words[0] == "$" and len(words) > 1 else words
    try:
        if name.rpartition("/")[2] == "curl":
            return _said(rest)
        problem = f"{name[:100]} is no curl command"
    except ValueError as error:
        problem = str(error)
    raise ValueError(f"line {line}: {problem}")


def _said(words: Sequence[str]) -> Request:
    command = _Command()
    for option, value in _options(iter(words)):
        _take(command, option, value)
    request = command.request
    _check_url(request.url, command.flags)
    user = urlsplit(request.url).netloc.rpartition("@")[0]
    if user:
        command.own.setdefault("authorization", _basic(unquote_to_bytes(_bytes(user))).decode("ascii"))
    # Put together once: there may be a million of them.
    request.body = b"".join(command.parts) if command.parts else None
    request.method = request.method or ("GET" if request.body is None else "POST")
    if request.body is not None:
        command.own.setdefault("content-type", "application/x-www-form-urlencoded")
    request.headers += [(name, value) for name, value in command.own.items() if name not in command.named]
    return request


def _check_url(url: str, flags: Collection[str]) -> None:
    if not url:
        raise ValueError("a command has no URL")
    if not url.isprintable() or " " in url:
        raise ValueError(f"{url[:100]} has a space in it or what is no character; write those as %20 and the like")
    if "--globoff" not in flags and re.search(r"[{}\[\]]", re.sub(r"//\[[^]]*\]", "", url, count=1)):
        raise ValueError(f"curl reads brackets in {url[:100]} as a pattern for several URLs; add --globoff")
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    if "--path-as-is" not in flags and re.search(r"/\.\.?(/|$)", path):
        raise ValueError(f"curl takes . and .. out of {url[:100]}; write the path as it is sent")


def _options(words: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The options by their long names, with their values; a URL is one too."""
    for word in words:
        if word == "--":
            yield from (("--url", url) for url in words)
        elif not word.startswith("-") or word == "-":
            yield "--url", word
        elif word in _FLAGS:
            yield word, ""
        elif word.startswith("--"):
            yield _known(word), _value(word, words)
        else:
            yield from _short(word, words)


def _short(word: str, words: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The option with a value in a word such as `-sXPOST`."""
    letters = word[1:].lstrip(_SHORT_FLAGS)
    if "g" in word[1 : len(word) - len(letters)]:
        yield "--globoff", ""
    if letters:
        name = _known(_SHORT_VALUES.get(letters[0], f"-{letters[0]}"))
        yield name, letters[1:] or _value(f"-{letters[0]}", words)


def _known(option: str) -> str:
    if option in _UNREAD:
        raise ValueError(
            f"what curl's option {option} makes of the request is not read here; write its body with --data-raw"
        )
    if option not in _VALUES:
        hint = "leave it out if it changes nothing of the request"
        raise ValueError(f"curl's option {option[:100]} is not read here; {hint}")
    return option


def _value(option: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise ValueError(f"{option} has nothing after it")
    return value


def _take(command: _Command, option: str, value: str) -> None:
    if option in _FLAGS:
        command.flags.add(option)
    elif option == "--url":
        if command.request.url:
            raise ValueError(f"a command has two URLs: {command.request.url[:100]} and {value[:100]}")
        command.request.url = value
    elif option == "--request":
        if not _METHOD.fullmatch(value):
            raise ValueError(f"{value[:100] or 'nothing'} is no method")
        command.request.method = value
    elif option in _BODIES:
        separator = b"&" if command.parts and option != "--json" else b""
        command.parts += [separator, _body(option, value)]
        if option == "--json":
            command.own |= {"content-type": "application/json", "accept": "application/json"}
    elif option == "--header":
        _take_header(command, _bytes(value).decode("latin-1"))
    elif option in _HEADERS:
        _take_own(command, option, _bytes(value))


def _take_own(command: _Command, option: str, value: bytes) -> None:
    """One of curl's own headers, of which cookies add up; an empty value takes it away."""
    if option == "--cookie" and value and b"=" not in value:
        raise ValueError("cookies are in another file; write them as NAME=VALUE")
    value = value.strip(b" \t")
    if option == "--user":
        value = _basic(value)
    if option == "--referer":
        value = value.removesuffix(b";auto")
    before = command.own.pop(_HEADERS[option], "")
    if option == "--cookie":
        value = b";".join(filter(None, (before.encode("latin-1"), value)))
    if value:
        command.own[_HEADERS[option]] = value.decode("latin-1")


def _take_header(command: _Command, text: str) -> None:
    if text.startswith("@"):
        raise ValueError(f"headers are in another file ({text[1:100]}); write them into the command")
    header = _HEADER.fullmatch(text)
    if header is None:
        raise ValueError(f"{text[:100]} is no header: one is written as 'Name: value'")
    name, value = header["name"].lower(), (header["value"] or "").strip(" \t")
    if name == "transfer-encoding":
        raise ValueError("the body would be sent in chunks (Transfer-Encoding); leave that header out")
    command.named.add(name)
    if value or header["empty"]:
        command.request.headers.append((name, value))


def _basic(user: bytes) -> bytes:
    """Basic credentials; a password that is missing is an empty one."""
    return b"Basic " + base64.b64encode(user if b":" in user else user + b":")


def _body(option: str, value: str) -> bytes:
    if option == "--data-urlencode":
        return _encoded(value)
    if option != "--data-raw":
        _refuse_file(value)
    return _bytes(value)


def _encoded(value: str) -> bytes:
    """`content`, `=content` or `name=content`, of which the content is encoded; or, refused, `name@file`."""
    name, equals, content = value.partition("=")
    if not equals:
        name, content = "", value
        _refuse_file("".join(value.partition("@")[1:]))
    encoded = quote_plus(_bytes(content)).encode("ascii")
    return _bytes(name) + b"=" + encoded if name else encoded


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def _refuse_file(value: str) -> None:
    if value.startswith("@"):
        raise ValueError(f"the body is in another file ({value[1:100]}); write it into the command, with --data-raw")
