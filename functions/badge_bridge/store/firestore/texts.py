"""Long texts in documents, which hold 1 MiB at most (Firestore docs, "Quotas and limits").

A short text stands in its document as it is. A longer one is compressed, and where that is still too much, it is cut
into parts, each a document beside it. Parts are named by what they hold, so that a reader who comes in between finds
those that belong to what he has read, or none.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any, cast

__all__ = ["Packed", "pack", "part_names", "unpack"]

Packed = str | bytes | dict[str, Any]
"""What stands in the document: the text, its compressed form, or `{"parts": [names]}`."""

PLAIN = 100_000
"""Bytes up to which a text is left as it is, for whoever reads the documents by hand."""

WHOLE = 300_000
"""Bytes of the compressed form up to which it stays in the document. There are two texts in one."""

PART = 900_000
"""Bytes of one part."""

_LEVEL = 6


def pack(text: str) -> tuple[Packed, dict[str, bytes]]:
    """What stands for the text, and its parts by name."""
    raw = text.encode()
    if len(raw) <= PLAIN:
        return text, {}
    small = zlib.compress(raw, _LEVEL)
    if len(small) <= WHOLE:
        return small, {}
    name = hashlib.sha256(small).hexdigest()[:16]
    parts = {f"{name}-{start // PART}": small[start : start + PART] for start in range(0, len(small), PART)}
    return {"parts": list(parts)}, parts


def part_names(packed: Packed) -> list[str]:
    return cast("list[str]", packed["parts"]) if isinstance(packed, dict) else []


def unpack(packed: Packed, parts: Mapping[str, bytes]) -> str:
    """The text.

    Raises:
        KeyError: one of its parts is not among `parts`.
    """
    if isinstance(packed, str):
        return packed
    small = b"".join(parts[name] for name in part_names(packed)) if isinstance(packed, dict) else packed
    return zlib.decompress(small).decode()
