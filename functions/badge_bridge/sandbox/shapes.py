"""The kinds of values that records of the sandbox are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Id", "Moment", "Record", "Text"]

Id = Annotated[int, Field(ge=1)]
Moment = Annotated[float, Field(allow_inf_nan=False)]
"""Unix seconds."""
Text = str | dict[str, str]
"""One text, or texts by language code."""


class Record(BaseModel):
    """A value that is replaced, never changed, and that takes no field it does not have."""

    model_config = ConfigDict(extra="forbid", frozen=True)
