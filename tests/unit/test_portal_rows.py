"""Rows and ids as PHP writes them."""

from __future__ import annotations

import pytest

from badge_bridge.portal.rows import ids_of, inside, one_id, rows_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (41, 41),
        ("41", 41),
        (0, None),
        ("0", None),
        (-3, None),
        ("", None),
        (None, None),
        (True, None),
        (4.0, None),
        ("4 1", None),
        ("٤١", None),
        ([], None),
        ("9" * 5000, None),
    ],
    ids=repr,
)
def test_an_id_is_read_as_number_and_as_text(value: object, expected: int | None) -> None:
    """Only positive whole numbers are ids; what else PHP sends in their place stands for none."""
    assert one_id(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [([3, "4", 3, 0, None], (3, 4)), ({"0": 3, "2": "5"}, (3, 5)), (7, (7,)), ([], ()), (None, ()), (False, ())],
)
def test_ids_are_read_from_lists_objects_and_single_values(value: object, expected: tuple[int, ...]) -> None:
    """Each id once, in the order of the answer."""
    assert ids_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"ID": 1}, {"ID": 2}], 2),
        ({"0": {"ID": 1}, "2": {"ID": 2}}, 2),
        ([{"ID": 1}, [], None, 5], 1),
        ([], 0),
        ("", 0),
        (None, 0),
        (False, 0),
    ],
)
def test_rows_are_read_from_lists_and_objects(value: object, expected: int) -> None:
    """A list with gaps comes as an object; nothing comes in many forms."""
    assert len(rows_of(value)) == expected


@pytest.mark.parametrize("value", [None, [], "item", {"item": []}, {"item": None}, {"other": {"id": 1}}])
def test_nothing_is_inside_what_is_of_another_shape(value: object) -> None:
    """Whoever reads on finds that the field is missing."""
    assert inside(value, "item") == {}


def test_object_is_found_under_its_name() -> None:
    """As most methods answer."""
    assert inside({"item": {"id": 1}}, "item") == {"id": 1}
