"""Deliveries as curl commands: what is written, a shell and curl understand; what others write, is read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from badge_bridge.curl_commands import Request, read, write
from badge_bridge.shell_words import commands
from badge_bridge.sources.base import Delivery

URL = "https://bridge.example.com/hooks/shop?a=1&b=it's"
NOT_ASCII = "schlüssel€".encode().decode("latin-1")
BODIES = st.binary(max_size=60).map(lambda body: body.replace(b"\0", b""))
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(str.strip)


def delivery(body: bytes, method: str = "POST", value: str = "application/json") -> Delivery:
    return Delivery(method, "", [("content-type", value)], body, 0.0)


def in_a_shell(command: str) -> list[bytes]:
    """The words that bash passes to curl."""
    script = f'curl() {{ printf "%s\\0" "$@"; }}\n{command}'.encode()
    ran = subprocess.run(["/bin/bash", "-s"], input=script, capture_output=True, check=True, timeout=20)
    return ran.stdout.split(b"\0")[:-1]


FRAGMENTS = r"""a é ~x ' " \ $ $' # = * { 1 % [a] \\ \' \" \x41 \xc3 \u00e9 \U1F600 \101 \n \c \q \x $1 $a $[ ! @"""
WORDS = st.lists(st.sampled_from([*FRAGMENTS.split(" "), " ", "\t", "\\\n", "$ "]), max_size=9).map("".join)


@settings(max_examples=150, deadline=None)
@given(WORDS)
@example("é$\\\n#")
@example("a$[1]")
@example("$'\\c\\\\\\c\\x\\c?\\cA\\c'")
@example("\\c\\x41$\\\n$'$'")
def test_words_are_those_of_bash(text: str) -> None:
    """Or they are refused. A pattern or ~ is not looked up in the file system, and no braces are multiplied."""
    try:
        ((_, found),) = commands(f"curl {text}")
    except ValueError:
        return  # refused, or several commands
    script = f'set -f +B; curl() {{ printf "%s\\0" "$@"; }}\ncurl {text}'
    environ = {"LC_ALL": "C.UTF-8", "PATH": "/bin"}
    ran = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True, timeout=20, env=environ)
    # printf prints one empty word where it is given none.
    assert [word.encode("utf-8", "surrogateescape") for word in found[1:] or [""]] == ran.stdout.split(b"\0")[:-1]


@given(BODIES, VALUES)
@example(b'it\'s \\ "quoted" $HOME `id` !\nand more\t\x1b[2J', "text/plain; a='b'")
@example("\u202e\u009b ü".encode(), "x")
@example(b"@/etc/hostname", "x")
@example(b"-d", "x")
@example(b"1", NOT_ASCII)
@example(b"1", "\xff")
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
                [
                    ("authorization", "Basic bWU6c2VjcmV0"),
                    ("content-type", "application/json"),
                    ("accept", "application/json"),
                ],
                b"{}",
            ),
        ),
        ("curl https://h/hooks/a\\?x=1 -A agent", Request("GET", "https://h/hooks/a?x=1", [("user-agent", "agent")])),
    ],
)
def test_commands_of_other_tools_are_read(command: str, request_: Request) -> None:
    """As Chromium copies a request, as a request inspector shows it, as people write it."""
    assert read(command.encode()) == [request_]


def test_comments_and_prompts_are_not_sent() -> None:
    """As it stands in a note, or was copied from a terminal."""
    found = read(
        b"# the call of noon\n$ curl https://h/hooks/a#b -d 1 # told twice\n\n  # end\ncurl https://h/hooks/a\n"
    )
    assert [(request.url, request.body) for request in found] == [
        ("https://h/hooks/a#b", b"1"),
        ("https://h/hooks/a", None),
    ]


class Listener(ThreadingHTTPServer):
    """Answers 204 and keeps what it got."""

    got: list[tuple[str, str, list[tuple[str, str]], bytes]]


class Kept(BaseHTTPRequestHandler):
    server: Listener

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = [(name.lower(), value.strip(" \t")) for name, value in self.headers.items()]
        self.server.got.append((self.command, self.path, headers, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with Listener(("127.0.0.1", 0), Kept) as server:
        server.got = []
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "command",
    [
        "curl URL",
        "curl URL -d a=1 --data-binary $'b=\\xff\\n' --data-raw @c --json {}",
        "curl URL -d '' -d a=1",
        "curl URL --json '{\"a\":' --json '1}'",
        "curl URL --json {} -H 'Content-Type: text/plain'",
        "curl URL -d {} -H 'Content-Type: application/json' -H 'X-Two: 1' -H 'x-two: 2'",
        "curl URL -d {} -H 'Content-Type:' -H 'X-Empty;' -H 'X-None:' -H 'X-Blank:  '",
        "curl URL -H 'Authorization: Bearer a' -u me:secret -A one -A two",
        "curl URL -A one -A ''",
        "curl URL -H 'Authorization: Bearer schlüssel' -H $'X-Bytes: \\xff\\u20ac\\U0001F600'",
        "curl URL --data-urlencode From=+49301 --data-urlencode 'To=ü b&c' --data-urlencode =x/y --data-urlencode 'a b'",
        "curl -sSXPUT URL -d$'\\ca\\?\\q\\\\ \\'\\101\\7'",
        'curl -X OPTIONS URL -d "a\\$b \\`c\\` \\"d\\" \\e $ 100%" -d a$',
        "curl URL -d a# -d '#b' -d c'd'\\ e\\\n\"f\\\n g\" # end",
        "curl -vk --compressed --http1.1 -m5 -o/dev/null URL -b a=1 -b c=2 -e referrer",
        "/usr/bin/curl -0 -g 'URL?a={1,2}[3]' -d {a}b,c",
        "curl URL -H $'X-Token: voil\\xc3\\xa0' -H $'X-B: \\xd1\\x85\\xa0' -H $'X-C:\\xa0' -A ' a ' -e ' b;auto'",
        "curl http://fs:p%40ss@HOST/hooks/a -d 1",
        "curl http://fs@HOST/hooks/a -d 1",
        "curl http://fs:pass@HOST/hooks/a -u me:other",
        "curl http://fs:pass@HOST/hooks/a -H 'Authorization: Bearer a'",
        "curl URL -u ''",
        "curl --path-as-is -- URL/../a?b=/../c",
    ],
)
def test_command_is_read_as_curl_sends_it(listener: Listener, command: str) -> None:
    """By a shell and curl themselves: method, body, and every header that is not curl's name or the body's length."""
    listener.got.clear()
    host = f"127.0.0.1:{listener.server_port}"
    command = command.replace("URL", f"http://{host}/hooks/a").replace("HOST", host)
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(["/bin/bash", "-c", command], check=True, timeout=20, capture_output=True, env=environ)
    ((method, path, headers, body),) = listener.got
    (request,) = read(command.encode())
    assert (request.method, request.body or b"", path) == (
        method,
        body,
        "/hooks/a" + request.url.partition("/hooks/a")[2],
    )
    default = {"host", "content-length", "accept-encoding"}
    default |= {"user-agent", "accept"} - {name for name, _ in request.headers}
    assert sorted(request.headers) == sorted((name, value) for name, value in headers if name not in default)


@settings(max_examples=15, deadline=None)
@given(BODIES, VALUES)
@example(b"@1", NOT_ASCII)
@example(b"", "")
def test_curl_sends_what_is_written(listener: Listener, body: bytes, value: str) -> None:
    """Method, header and body as they are, whatever they are."""
    listener.got.clear()
    url = f"http://127.0.0.1:{listener.server_port}/hooks/a"
    written = write(Delivery("POST", "", [("content-type", "x/y"), ("x-token", value)], body, 0.0), url)
    subprocess.run(["/bin/bash", "-c", written], check=True, timeout=20, capture_output=True)
    ((method, _, headers, sent),) = listener.got
    assert (method, sent) == ("POST", body)
    assert [pair for pair in headers if pair[0] in ("content-type", "x-token")] == [
        ("content-type", "x/y"),
        ("x-token", value),
    ]


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
        ("curl https://h/hooks/a -d $(cat body)", "line 1: a shell would put something in the place of $(cat;"),
        ("curl https://h/hooks/a -d `cat body`", "line 1: a shell would put something in the place of `;"),
        ('curl https://h/hooks/a -d "a=$AMOUNT"', "in the place of $AMOUNT; write it out, between single quotes"),
        ("curl https://h/hooks/$NAME", "in the place of $NAME"),
        ('curl https://h/hooks/a -d "${A}"', "in the place of ${A"),
        ('curl https://h/hooks/a -d "it is `date`"', "in the place of `"),
        ('curl https://h/hooks/a -d "open $', "a quote is not closed"),
        ('curl ^"https://h/hooks/a^" ^\n  -H ^"a: b^"', "copy the command for bash, not for cmd"),
        ('curl "https://h/hooks/a" ^\n  -H "a: b"', "copy the command for bash, not for cmd"),
        ("curl\u00a0https://h/hooks/a", "line 1: U+00A0 stands outside of quotes"),
        ("curl https://h/hooks/a \\\n -d $'\\ud83d\\ude00'", "line 2: \\ud83d is half of a character"),
        ("curl https://h/hooks/a -d $'\\U00110000'", "is no character"),
        ("curl https://h/hooks/a -d $'a\\0b'", "line 1: it has a zero byte"),
        ("curl https://h/hooks/a > out", "line 1: > stands outside of quotes"),
        ("curl https://h/hooks/a \\", "line 1: \\ stands outside of quotes"),
        ("curl https://h/hooks/a -d @body.json", "the body is in another file (body.json)"),
        ("curl https://h/hooks/a --data-binary @body.json", "the body is in another file"),
        ("curl https://h/hooks/a --json @body.json", "the body is in another file (body.json)"),
        ("curl https://h/hooks/a --data-urlencode From@name", "the body is in another file (name)"),
        ("curl https://h/hooks/a -H @headers", "headers are in another file (headers)"),
        ("curl https://h/hooks/a -H nonsense", "nonsense is no header"),
        ("curl https://h/hooks/a -H ' X-Lead: 1'", "X-Lead: 1 is no header"),
        ("curl https://h/hooks/a -H 'X-Sign : 1'", "X-Sign : 1 is no header"),
        ("curl https://h/hooks/a -G -d a=1", "option -G makes of the request is not read here"),
        ("curl https://h/hooks/a -sF a=b", "option --form makes of the request is not read here"),
        (
            "curl https://h/hooks/a --next https://h/hooks/b",
            "option --next is not read here; leave it out if it changes",
        ),
        ("curl", "line 1: a command has no URL"),
        ('curl https://h/hooks/a -d {"a":"b","c":1}', "in the place of {':',':1}; write it out"),
        ("curl https://h/hooks/a -d {1..9}", "in the place of {1..9}"),
        ("curl https://h/hooks/a -d ~", "in the place of ~;"),
        ("curl https://h/hooks/a -d ~root", "in the place of ~;"),
        ("curl https://h/hooks/a -X 'PO ST'", "PO ST is no method"),
        ("curl https://h:x@[1/hooks/a", "as a pattern for several URLs"),
        ("curl https://h/hooks/a -d a=~/b", "in the place of =~/;"),
        ("curl https://h/hooks/a -d $'\\x{41}'", "is read by some shells only"),
        ("curl 'https://h/hooks/a?a={1,2}'", "as a pattern for several URLs; add --globoff"),
        ("curl 'https://h/hooks/[a-c]'", "as a pattern for several URLs; add --globoff"),
        ("curl https://h/hooks/a/../b", "takes . and .. out of https://h/hooks/a/../b"),
        ("curl 'https://h/hooks/a b'", "write those as %20"),
        ("curl https://h/hooks/a -X ''", "nothing is no method"),
        ("curl https://h/hooks/a -H 'X;  '", "is no header"),
        ("curl https://h/hooks/a -H $'X: 1\\r\\nY: 2'", "is no header"),
        ("curl https://h/hooks/a -H 'Transfer-Encoding: chunked'", "leave that header out"),
        ("curl https://h/hooks/a -b jar", "cookies are in another file"),
        ("curl https://h/hooks/a https://h/hooks/b", "two URLs"),
        ("curl -d 1", "has no URL"),
        ("curl https://h/hooks/a -H", "-H has nothing after it"),
        ("curl https://h/hooks/a --form a=b", "option --form makes of the request is not read here; write its body"),
        ("curl https://h/hooks/a\n\nwget https://h", "line 3: wget is no curl command"),
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
