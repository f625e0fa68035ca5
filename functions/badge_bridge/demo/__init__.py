"""`badge-bridge demo`: the whole job on one machine, each printed line read back from where it happened."""

from badge_bridge.demo.story import play

__all__ = ["play"]
