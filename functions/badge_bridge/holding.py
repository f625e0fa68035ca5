"""Names of holds (`Store.hold`): which of them outlive their holder."""

from __future__ import annotations

__all__ = ["LASTING"]

LASTING = "lasting/"
"""A hold whose name begins so ends by its time alone. All others end, too, when a store is opened that nobody else has
open: whoever had them is gone. But what he asked of a portal may still be going on there."""
