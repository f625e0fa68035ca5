"""Which fields hold telephone numbers, by their names."""

from __future__ import annotations

import pytest

from badge_bridge.number_fields import PHONE_NAMES, holds_a_number
from badge_bridge.observability.shapes import kind_of_field


@pytest.mark.parametrize("name", PHONE_NAMES)
def test_field_is_for_numbers_in_the_log_and_when_erasing(name: str) -> None:
    """There is one list of these names."""
    assert holds_a_number(name)
    assert kind_of_field(name) == "phone"


@pytest.mark.parametrize("name", ["order_number", "called_at", "line_id", "valid_to", "numberOfItems", "token_from"])
def test_field_is_not_for_numbers_when_its_name_says_something_else_besides(name: str) -> None:
    """A log rather masks too much; erasing must not delete what is somebody else's."""
    assert not holds_a_number(name)


@pytest.mark.parametrize(
    ("name", "within", "holds"),
    [
        ("number", "", True),
        ("number", "data", True),
        ("number", "from", True),
        ("number", "order", False),
        ("phone", "order", True),
    ],
)
def test_number_of_something_is_a_telephone_number_when_that_is_a_person(name: str, within: str, holds: bool) -> None:
    """Orders and invoices have numbers, too."""
    assert holds_a_number(name, within=within) is holds
