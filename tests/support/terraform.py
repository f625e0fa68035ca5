"""Terraform files as Python values, from disk or with something in them changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import hcl2

__all__ = ["INFRA", "Block", "Terraform", "read", "texts"]

INFRA = Path(__file__).resolve().parents[2] / "infra"

Block = dict[str, Any]
"""A block's arguments by name, and its blocks as lists. A text is without its quotes, an expression in `${}`."""

_OURS = {"__is_block__", "__comments__", "__inline_comments__"}


@dataclass(frozen=True)
class Terraform:
    """The files of a module by name."""

    files: Mapping[str, Block]

    def resources(self, type_: str | None = None) -> dict[str, Block]:
        """By address, `google_pubsub_topic.events`; of one type or all."""
        return {f"{kind}.{name}": body for kind, name, body in self._labelled("resource") if type_ in {None, kind}}

    def data(self) -> list[str]:
        """Addresses of data sources."""
        return [f"{kind}.{name}" for kind, name, _ in self._labelled("data")]

    @cached_property
    def locals(self) -> Block:
        return {name: value for block in self._blocks("locals") for name, value in block.items()}

    def named(self, kind: str) -> dict[str, Block]:
        """Blocks with one label: variables, outputs, checks."""
        return {name: body for block in self._blocks(kind) for name, body in block.items()}

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every text with the place that it stands at, `resource.google_x.y.member`."""
        for file in self.files.values():
            yield from texts(file, "")

    def _blocks(self, kind: str) -> Iterator[Block]:
        for file in self.files.values():
            yield from file.get(kind, [])

    def _labelled(self, kind: str) -> Iterator[tuple[str, str, Block]]:
        for block in self._blocks(kind):
            for type_, named in block.items():
                for name, body in named.items():
                    yield type_, name, body


def read(folder: Path = INFRA, *, file: str = "", old: str = "", new: str = "") -> Terraform:
    """The module in this folder; in `file`, `new` stands instead of `old`, which must be there."""
    files = {}
    for path in sorted(folder.glob("*.tf")):
        text = path.read_text()
        if path.name == file:
            assert old in text, f"{file} has no {old!r}"
            text = text.replace(old, new)
        files[path.name] = _parsed(text)
    assert not file or file in files, f"no file {file}"
    return Terraform(files)


@cache
def _parsed(text: str) -> Block:
    """Parsing takes most of the time, and most files stay the same."""
    return cast("Block", _plain(hcl2.loads(text)))


def texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text in a value with its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, place)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, f"{place}.{name}" if place else name)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_text(name): _plain(one) for name, one in value.items() if name not in _OURS}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return _text(value) if isinstance(value, str) else value


def _text(written: str) -> str:
    if len(written) >= 2 and written[0] == written[-1] == '"':
        written = written[1:-1]
    return written.replace('\\"', '"')
