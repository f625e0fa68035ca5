"""What looks for planted secrets and numbers finds them, so that a run in which nothing is found says something."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

import pytest

from support.planted import NUMBERS, Planted

SECRET = 'p4ss"word/of the\tswitch'


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        SECRET[:11],
        SECRET[11:],
        quote(SECRET, safe=""),
        urlencode({"a": SECRET}),
        json.dumps({"a": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
    ],
)
def test_secret_is_found_when_it_is_written_otherwise(spelling: str) -> None:
    """As it is, half of it, in an address, in a form, in JSON and encoded; and not where it is hidden."""
    planted = Planted()
    planted.secret("switch", SECRET)
    assert planted.shown(f"a {spelling} b") == ["switch"]
    assert planted.shown("a *** b") == []


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_number_is_found_in_every_spelling(number: str) -> None:
    """Each number is another one, and none is found where it is masked."""
    planted = Planted()
    for spelling in (number, quote(number), json.dumps([number, 1]), number.replace(" ", "")):
        assert len(planted.shown(f"from {spelling} to")) == 1
    assert planted.shown("from +49*********01 to", numbers_too=True) == []
    assert planted.shown(number, numbers_too=False) == []


def test_what_was_not_planted_is_known() -> None:
    """A run that never plants a secret cannot pass for one that found none."""
    planted = Planted()
    planted.secret("one", "s3cr3t-of-one")
    planted.secret("two", "s3cr3t-of-two")
    planted.note(f"token=s3cr3t-of-one&from={quote(NUMBERS['national'])}")
    assert planted.unused == {"two", *NUMBERS} - {"national"}
