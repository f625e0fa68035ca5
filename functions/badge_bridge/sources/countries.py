"""Countries as the rules file names them: the regions of which phone numbers can be read."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["check_country"]

_MEANT: Mapping[str, str] = {"EL": "GR", "EN": "GB", "UK": "GB"}
"""What is written for a country out of habit, and is not its code."""


def check_country(value: str) -> str:
    """The two letters of a country whose numbering plan is known.

    Raises:
        ValueError: they are not; says what may be meant.
    """
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - its tables are paid for where a country is given

    if value in SUPPORTED_REGIONS:
        return value
    letters = value.strip().upper()
    meant = _MEANT.get(letters, letters)
    if meant in SUPPORTED_REGIONS:
        raise ValueError(f"there is no country '{value[:20]}'; did you mean '{meant}'?")
    raise ValueError(
        f"there is no country '{value[:20]}'; write the two capital letters of one, such as DE (ISO 3166-1)"
    )
