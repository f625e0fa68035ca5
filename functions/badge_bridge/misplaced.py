"""What an error may repeat of a setting: what stands under the wrong name may be a secret."""

from __future__ import annotations

__all__ = ["repeated"]

_LONGEST_WORD = 20
"""Characters. What is meant to be one of a few words, a number or a scheme is shorter; tokens and keys are longer."""


def repeated(value: str) -> str:
    """The value in quotation marks, or its length where it may hold a secret."""
    if len(value) > _LONGEST_WORD or "@" in value or "?" in value:
        return f"a text of {len(value)} characters"
    return repr(value)
