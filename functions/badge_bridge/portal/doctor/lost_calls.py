"""Whether calls whose event was lost can be fetched from the portal's call statistics."""

from __future__ import annotations

from typing import Protocol

from badge_bridge.errors import PortalError
from badge_bridge.portal.calling import SingleCalls
from badge_bridge.portal.doctor.check import Verdict, ok, refused, skipped, warning
from badge_bridge.portal.ended_calls import newest_call

__all__ = ["Fetching", "LostCalls", "left_out", "unreadable"]


class Fetching(Protocol):
    """Whether the rules file wants it (`rulesfile.Fetching`)."""

    @property
    def source(self) -> str: ...
    @property
    def is_demanded(self) -> bool: ...
    @property
    def why_not(self) -> str: ...
    @property
    def is_undecided(self) -> bool: ...


class LostCalls:
    """The look at the statistics, made as the bridge makes its own."""

    def __init__(self, client: SingleCalls, fetching: Fetching) -> None:
        self._client = client
        self._fetching = fetching

    async def look(self) -> Verdict:
        """A missing right is a failure only where the rules file asks for it: badges do not need it."""
        wanted = self._fetching
        verdict = left_out(wanted)
        if verdict is not None:
            return verdict
        try:
            await newest_call(self._client)
        except PortalError as error:
            return unreadable(error, wanted)
        return ok(f"fetched from the call statistics, for source {wanted.source}")


def left_out(wanted: Fetching) -> Verdict | None:
    """Why the rules file lets none be fetched; None where it does."""
    if wanted.is_undecided:
        found, _, mend = wanted.why_not.partition("; ")
        return warning(f"not fetched: {found}", f"{mend[:1].upper()}{mend[1:]} in the rules file.")
    return None if wanted.source else skipped(f"not fetched: {wanted.why_not}")


def unreadable(error: PortalError, wanted: Fetching) -> Verdict:
    """What keeps the statistics from being read, and who mends it."""
    verdict = refused(error)
    if wanted.is_demanded:
        return verdict
    mend = f"{verdict.mend} Or write backfill: false at source {wanted.source}."
    return warning(f"an event that does not come is a call lost: {verdict.found}", mend.strip())
