"""Lines of a rules file as they are shown: without the secrets in it, however broken it is."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from badge_bridge.errors import Excerpt, Finding
from badge_bridge.rulesfile.examining import examine_text
from badge_bridge.rulesfile.excerpts import AROUND
from badge_bridge.sources import OPTIONS

SECRETS = ["hunter2webhook", "hunter2client", "hunter2token", "hunter2second", "hunter2comment"]
FILE = """badges:
  missedCall: {title: Call status, value: Missed, type: failure}
portals:
  main:
    webhook: https://acme.bitrix24.com/rest/1/hunter2webhook/
  other:
    url: https://acme.bitrix24.com
    oauth: {client_id: local.1, client_secret: hunter2client}
sources:
  reception:
    provider: twilio   # hunter2comment
    secrets: ["${TWILIO_TOKEN}", hunter2token]
    public_url: https://bridge.example.com/hooks/reception
  shop:
    provider: zoom
    secrets:
      - hunter2second
rules:
  - {name: missed call, on: call.missed, portal: main, badge: missedCall}
"""
assert all(secret in FILE for secret in SECRETS)
OUTSIDE = [place for place in range(len(FILE)) if not any(
    start < place < start + len(secret) for secret in SECRETS for start in [FILE.index(secret)]
)]  # fmt: skip


def found_in(text: str) -> tuple[Finding, ...]:
    return examine_text(text, "r", providers=OPTIONS).findings


def shown(text: str) -> list[str]:
    return [one.excerpt.text for one in found_in(text) if one.excerpt is not None]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(OUTSIDE),
    st.sampled_from(["", " ", "\n", ":", "-", "\t", '"', "'", "{", "[", "]", "#", "&a ", "!t ", "x", ",", "\\"]),
    st.booleans(),
)
@example(FILE.index("sources:"), "", True)
@example(FILE.index("sources:"), " ", False)
@example(FILE.index(":\n  reception"), "", True)
def test_no_secret_is_shown_when_the_file_is_broken_anywhere(place: int, instead: str, replaces: bool) -> None:
    """One character more, less or another one, wherever it is: what is written as a secret is in no line.

    But for one that has become a key, such as by a comma before it: a key that there is not has to be named.
    """
    broken = FILE[:place] + instead + FILE[place + replaces :]
    keys = {secret for secret in SECRETS for one in found_in(broken) if f"no key '{secret}'" in one.message}
    told = " ".join(shown(broken))
    assert {secret for secret in SECRETS if secret in told} <= keys


def test_a_secret_is_shown_in_no_line_when_it_is_where_none_belongs() -> None:
    """Under a mistyped key, in a section that has none, and in the address of a portal."""
    for old, new in (
        ("secrets: [", "secrts: ["),
        ("badge: missedCall}", "badge: missedCal, secrets: [hunter2]}"),
        ("url: https://acme.bitrix24.com\n", "url: https://acme.bitrix24.com/rest/1/hunter2/\n"),
        ("retention", "retention"),
    ):
        assert not [text for text in shown(FILE.replace(old, new)) if "hunter2" in text]


@pytest.mark.parametrize(
    ("line", "excerpt"),
    [
        ("    country: ${COUNTRY} # hidden", None),
        (
            '    secrets: ["${TWILIO_TOKEN}", "sm://token", ***]',
            Excerpt('    secrets: ["${TWILIO_TOKEN}", "sm://token", ***]', 47, 50),
        ),
    ],
)
def test_references_are_shown_when_a_secret_beside_them_is_not(line: str, excerpt: Excerpt | None) -> None:
    """A name says nothing, and is what has to be looked at."""
    text = FILE.replace('    secrets: ["${TWILIO_TOKEN}", hunter2token]', line.replace("***", "hunter2token"))
    found = [one.excerpt for one in found_in(text) if one.line == 12 and one.code == "secret-written"]
    assert found == ([excerpt] if excerpt else [])


def test_a_value_is_shown_and_meant_as_a_whole_when_it_is_no_secret() -> None:
    """What is underlined is the value, in a line that is as it is written."""
    (wrong,) = [one for one in found_in(FILE.replace("type: failure", "type: failed")) if one.code == "wrong-value"]
    assert wrong.excerpt is not None
    assert wrong.excerpt.text == FILE.splitlines()[1].replace("failure", "failed")
    assert wrong.excerpt.text[wrong.excerpt.start : wrong.excerpt.end] == "failed"
    assert (wrong.column, wrong.end) == (wrong.excerpt.start + 1, wrong.excerpt.end + 1)


def test_no_more_than_a_piece_is_kept_when_a_line_is_long() -> None:
    """A line can have a mebibyte, and a file two hundred mistakes."""
    long = FILE.replace("title: Call status", f"title: {'x' * 5000}, titel: {'y' * 5000}")
    (wrong,) = [one for one in found_in(long) if one.code == "unknown-key"]
    assert wrong.excerpt is not None
    assert len(wrong.excerpt.text) <= 2 * AROUND
    assert wrong.excerpt.text[wrong.excerpt.start : wrong.excerpt.end] == "titel"


@pytest.mark.parametrize(
    "content", ["\ufeffa: 1\nb: [", "portals:\r\n  main: {x: 1}\r\nrules: 7\r\n", "", "\u2028a: 1\u2028b: 2"]
)
def test_every_position_is_in_its_line_when_a_file_is_strange(content: str) -> None:
    """With a byte order mark, other line ends, or nothing in it."""
    for one in found_in(content):
        assert one.excerpt is None or 0 <= one.excerpt.start < one.excerpt.end <= max(len(one.excerpt.text), 1) + 1


@pytest.mark.parametrize(
    ("message", "help_"),
    [
        ("there is no badge 'a; b'; did you mean 'c'?", "did you mean 'c'?"),
        ("a source's name is part of a URL; write small letters; no others", "write small letters; no others"),
        ("there is no badge 'it's; so'; known are a, b", "known are a, b"),
        ("this is not YAML: x", ""),
        ("'rate' must be greater than 0", ""),
        ("'" * 60 + ";", ""),
    ],
)
def test_help_is_the_second_half_of_a_message_when_it_has_one(message: str, help_: str) -> None:
    """Behind the first semicolon that does not belong to a quoted name."""
    assert Finding("r", 1, 1, message).help == help_
