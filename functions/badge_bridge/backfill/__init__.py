"""Calls that a portal never told of: Bitrix24 sends each event once, and what it keeps of calls is read beside them.

    fetching      what is asked when
    found         what came of it
    subject       one portal: how its rows become events
    watermark     how far the rows were read
    notebook      that, as all processes know it

A call that came both ways is one event, since both have one key. So nothing has to be known about which were lost:
every call that has ended is offered to the store, and answered ones too, for a badge stays on its card where nobody
tells that the call was returned. That takes the same one request.
"""

from badge_bridge.backfill.fetching import Backfill
from badge_bridge.backfill.found import Found

__all__ = ["Backfill", "Found"]
