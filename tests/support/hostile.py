"""Bodies that are made to cost much or to be read in two ways: what each is, in JSON, as a form, and in a query."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

__all__ = ["BOMB", "HOSTILE", "REASONS"]

MANY = 10_000

HOSTILE: Mapping[str, Mapping[str, bytes]] = {
    "json": {
        "deep lists": b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        "33 levels": b'{"a":' * 33 + b"1" + b"}" * 33,
        "wide": b'{"a":[' + b"0," * MANY + b"0]}",
        "many members": b"{" + b",".join(b'"k%d":1' % number for number in range(MANY // 2 + 1)) + b"}",
        "key twice": b'{"a":1,"a":2}',
        "key twice inside": b'{"a":[{"type":"x","type":"y"}]}',
        "whole number of 5,000 digits": b'{"a":' + b"9" * 5_000 + b"}",
        "65 bits": b'{"a":18446744073709551616}',
        "number beyond a float": b'{"a":1e999}',
        "NaN": b'{"a":NaN}',
        "half of a pair": b'{"a":"\\ud800"}',
        "half of a pair as a key": b'{"\\udfff":1}',
        "invalid UTF-8": b'{"a":"\xff"}',
        "overlong UTF-8": b'{"a":"\xc0\xaf"}',
        "UTF-16": '{"a":1}'.encode("utf-16"),
        "two documents": b'{"a":1}{"a":1}',
    },
    "form": {
        "10,000 fields": b"&".join(b"%x=" % number for number in range(MANY)),
        "10,000 empty fields": b"&" * MANY,
        "invalid UTF-8": b"a=\xff",
        "escaped invalid UTF-8": b"a=%ff",
        "no pairs": b"a&b&c",
    },
    "query": {
        "1,001 fields": b"&".join(b"%x=" % number for number in range(1_001)),
        "10,000 empty fields": b"&" * MANY,
        "escaped invalid UTF-8": b"CallSid=%ff",
    },
}
"""Each is refused by what reads bodies, whoever sends it; none is larger than any provider's cap."""

_MANY_FIELDS, _MANY_VALUES, _DEEP, _TWICE = "1,000 fields", "5,000 values", "deeper than 32 levels", "repeated key"
_NUMBER, _TEXT, _BYTES = "64 bits", "not Unicode", "not UTF-8"
REASONS: Mapping[str, str] = {
    "deep lists": _MANY_VALUES,
    "deep objects": f"{_DEEP}|{_MANY_VALUES}",
    "33 levels": _DEEP,
    "wide": _MANY_VALUES,
    "many members": _MANY_VALUES,
    "key twice": _TWICE,
    "key twice inside": _TWICE,
    "whole number of 5,000 digits": _NUMBER,
    "65 bits": _NUMBER,
    "number beyond a float": "too large",
    "NaN": "NaN",
    "half of a pair": _TEXT,
    "half of a pair as a key": _TEXT,
    "invalid UTF-8": _BYTES,
    "overlong UTF-8": _BYTES,
    "UTF-16": _BYTES,
    "two documents": "not JSON",
    "10,000 fields": _MANY_FIELDS,
    "1,001 fields": _MANY_FIELDS,
    "10,000 empty fields": _MANY_FIELDS,
    "escaped invalid UTF-8": _BYTES,
    "no pairs": "not a form",
}
"""What the log says of each where it is signed rightly (a pattern): the limit that it breaks, never that the signature was
wrong.
"""

BOMB = gzip.compress(b'{"a":"' + b"x" * 50_000_000 + b'"}')
"""Some tens of kilobytes that would be 50 MB."""
