"""Deliveries as curl commands: what is written, a shell and curl understand; what others write, is read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from badge_bridge.curl_commands import Request, read, write
from badge_bridge.sources.base import Delivery

URL = "https://bridge.example.com/hooks/shop?a=1&b=it's"
BODIES = st.binary(max_size=60).map(lambda body: body.replace(b"\0", b""))
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(str.strip)


def delivery(body: bytes, method: str = "POST", value: str = "application/json") -> Delivery:
    return Delivery(method, "", [("content-type", value)], body, 0.0)


def in_a_shell(command: str) -> list[bytes]:
    """The words that bash passes to curl."""
    script = f'curl() {{ printf "%s\\0" "$@"; }}\n{command}'.encode()
    ran = subprocess.run(["/bin/bash", "-s"], input=script, capture_output=True, check=True, timeout=20)
    return ran.stdout.split(b"\0")[:-1]


@given(BODIES, VALUES)
@example(b'it\'s \\ "quoted" $HOME `id` !\nand more\t\x1b[2J', "text/plain; a='b'")
@example("\u202e\u009b ü".encode(), "x")
@example(b"@/etc/hostname", "x")
@example(b"-d", "x")
def test_what_is_written_is_read_again_byte_for_byte(body: bytes, value: str) -> None:
    """Signatures cover every byte, whatever it is; and nothing in the command is obeyed by a terminal."""
    command = write(delivery(body, value=value), URL)
    assert command.replace("\n", "").isprintable()
    assert read(command.encode()) == [Request("POST", URL, [("content-type", value)], body or None)]


@settings(max_examples=30, deadline=None)
@given(BODIES)
@example(b'it\'s \\ "quoted" $HOME `id` !\nand more\t\x1b[2J \xff1')
def test_shell_passes_on_what_is_written(body: bytes) -> None:
    """As bash reads the command, curl gets the body and the address as they are."""
    words = in_a_shell(write(delivery(body), URL))
    assert words[-1] == URL.encode()
    assert (words[words.index(b"--data-raw") + 1] if body else b"") == body


def test_zero_byte_is_refused_since_no_shell_can_pass_it_on() -> None:
    """It would be cut off there, and the signature wrong."""
    with pytest.raises(ValueError, match="zero byte"):
        write(delivery(b"a\0b"), URL)


@pytest.mark.parametrize(
    ("method", "body"), [("GET", b""), ("POST", b""), ("OPTIONS", b""), ("GET", b"x"), ("PUT", b"x")]
)
def test_method_is_the_one_of_the_delivery(method: str, body: bytes) -> None:
    """Without a body curl would send GET, with one POST."""
    (request,) = read(write(delivery(body, method), URL).encode())
    assert (request.method, request.body or b"") == (method, body)


@pytest.mark.parametrize(
    ("command", "request_"),
    [
        (
            "curl 'https://h/hooks/a' \\\n  -H 'Content-Type: application/json' \\\n  --data-raw $'{\"a\":\"it\\'s\\u0021\\xc3\\xbc\"}'",
            Request("POST", "https://h/hooks/a", [("content-type", "application/json")], '{"a":"it\'s!ü"}'.encode()),
        ),
        (
            'curl -X POST https://h/hooks/a -H "X-Sign: \\"a\\"" -d "a=1" --data b=2 -sS -i',
            Request(
                "POST",
                "https://h/hooks/a",
                [("x-sign", '"a"'), ("content-type", "application/x-www-form-urlencoded")],
                b"a=1&b=2",
            ),
        ),
        (
            "curl -XPUT --url https://h/hooks/a -u me:secret --json '{}' -o /dev/null",
            Request(
                "PUT",
                "https://h/hooks/a",
                [("authorization", "Basic bWU6c2VjcmV0"), ("content-type", "application/json")],
                b"{}",
            ),
        ),
        ("curl https://h/hooks/a\\?x=1 -A agent", Request("GET", "https://h/hooks/a?x=1", [("user-agent", "agent")])),
    ],
)
def test_commands_of_other_tools_are_read(command: str, request_: Request) -> None:
    """As Chromium copies a request, as a request inspector shows it, as people write it."""
    assert read(command.encode()) == [request_]


def test_several_commands_are_several_requests() -> None:
    """A call that is told in several deliveries is a command a line."""
    found = read(b"curl https://h/hooks/a -d 1\ncurl https://h/hooks/a -d 2; curl https://h/hooks/a -d 3\n\n")
    assert [request.body for request in found] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("curl 'https://h/hooks/a", "line 1: a quote is not closed"),
        ('curl https://h/hooks/a\ncurl "https://h', "line 2: a quote is not closed"),
        ("curl https://h/hooks/a?x=1&y=2", "line 1: & stands outside of quotes"),
        ("curl https://h/hooks/a -d $(cat body)", "line 1: ( stands outside of quotes"),
        ("curl https://h/hooks/a -d `cat body`", "line 1: ` stands outside of quotes"),
        ("curl https://h/hooks/a > out", "line 1: > stands outside of quotes"),
        ("curl https://h/hooks/a \\", "line 1: \\ stands outside of quotes"),
        ("curl https://h/hooks/a -d @body.json", "the body is in another file (body.json)"),
        ("curl https://h/hooks/a --data-binary @body.json", "the body is in another file"),
        ("curl https://h/hooks/a https://h/hooks/b", "two URLs"),
        ("curl -d 1", "has no URL"),
        ("curl https://h/hooks/a -H", "-H has nothing after it"),
        ("curl https://h/hooks/a --form a=b", "option --form is not read here"),
        ("curl https://h/hooks/a\nwget https://h", "wget is no curl command"),
    ],
)
def test_what_is_not_understood_is_named(command: str, said: str) -> None:
    """Half a command must not be explained as a whole one."""
    with pytest.raises(ValueError, match=re.escape(said)):
        read(command.encode())


@given(st.lists(st.sampled_from(["curl", " ", "\\", "'", '"', "$'", "-d", "https://h", "@", "\n", ";", "&", "ü"])))
def test_anything_else_is_a_clear_error(parts: Sequence[str]) -> None:
    """No input ends in another error, or in no end."""
    with suppress(ValueError):
        read("".join(parts).encode())
