"""A random mix of faults, each striking a share of all requests, repeatable by its seed.

POST /_sandbox/faults {"mix": {"timeout-after-commit": 0.02, "QUERY_LIMIT_EXCEEDED": 0.05}, "seed": 7}
"""

from __future__ import annotations

from random import Random
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Mix", "MixOrder"]

Share = Annotated[float, Field(ge=0, le=1)]


class MixOrder(BaseModel):
    """What `POST /_sandbox/faults` takes instead of a single fault; it replaces the mix before it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    mix: dict[str, Share]
    """The probability of each fault by its name; one request is struck by one fault at most."""
    seed: int | None = None
    """What the randomness starts from; null for another run each time."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """How long the faults that hold an answer hold it; null for what each has."""

    @model_validator(mode="after")
    def _leaves_room(self) -> MixOrder:
        if sum(self.mix.values()) > 1:
            raise ValueError("the probabilities add up to more than 1")
        return self


class Mix:
    """The mix in force."""

    def __init__(self, order: MixOrder) -> None:
        self.order = order
        self._random = Random(order.seed)  # noqa: S311 - chance, no secret

    def draw(self) -> str | None:
        """The name of the fault for the next request, or None; exactly one random number is used each time."""
        point = self._random.random()
        for name, share in self.order.mix.items():
            if point < share:
                return name
            point -= share
        return None

    def to_json(self) -> dict[str, Any]:
        return self.order.model_dump(exclude_none=True)
