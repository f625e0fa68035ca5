"""The tree of errors as its docstring draws it, against the classes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from badge_bridge import errors
from badge_bridge.errors import BridgeError, DeliveryRefused

PACKAGE = Path(errors.__file__).parent
DRAWN = re.compile(r"^    (?P<trunk>[│ ]*)(?:[├└]── )?(?P<name>[A-Z]\w+)(?: +(?P<said>\S.*))?$", re.MULTILINE)


def drawn() -> dict[str, tuple[str | None, str]]:
    """For each class in the drawing, the one that it hangs from and what is said of it."""
    tree: dict[str, tuple[str | None, str]] = {}
    above: list[str] = []
    for line in DRAWN.finditer(errors.__doc__ or ""):
        depth = (line.start("name") - line.start("trunk")) // 4
        above[depth:] = [line["name"]]
        tree[line["name"]] = (above[depth - 1] if depth else None, line["said"] or "")
    return tree


def defined() -> dict[str, type[BridgeError]]:
    return {name: one for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, BridgeError)}


def test_the_drawn_tree_is_that_of_the_classes() -> None:
    """Every error hangs where the docstring draws it, from its first base."""
    parents = {name: parent for name, (parent, _) in drawn().items()}
    assert parents == {
        name: None if one is BridgeError else one.__bases__[0].__name__ for name, one in defined().items()
    }


def test_the_drawn_statuses_are_those_of_the_classes() -> None:
    """Each way to refuse a delivery is drawn with the status that the sender gets."""
    refused = {
        name: one.status
        for name, one in defined().items()
        if issubclass(one, DeliveryRefused)
        if one.__subclasses__() == []
    }
    assert refused
    said = {name: drawn()[name][1] for name in refused}
    assert {name: words[:3] for name, words in said.items()} == {name: str(status) for name, status in refused.items()}


def test_every_error_is_exported() -> None:
    """What is drawn can be imported by name."""
    assert set(defined()) <= set(errors.__all__)


def test_errors_of_single_rooms_are_named_when_they_are_defined_elsewhere() -> None:
    """A BridgeError outside of this module is mentioned below the tree."""
    known = set(defined())
    elsewhere = {
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and known & {base.id for base in node.bases if isinstance(base, ast.Name)}
    } - known
    assert elsewhere
    assert {name for name in elsewhere if f"`{name}`" not in (errors.__doc__ or "")} == set()
