"""Bodies that are made to cost much or to be read in two ways: what each is, in JSON, as a form, and in a query."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

__all__ = ["BOMB", "HOSTILE"]

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

BOMB = gzip.compress(b'{"a":"' + b"x" * 50_000_000 + b'"}')
"""Some tens of kilobytes that would be 50 MB."""
