"""What processes leave for each other in a note of the store, as JSON that another version may have written."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["Noted"]


class Noted(BaseModel):
    """The whole of a note."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What a note says; None where this version cannot read it, or it was erased."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None
