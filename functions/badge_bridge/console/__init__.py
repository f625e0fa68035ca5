"""What is stored, for an operator's browser and for scripts; it reads and never writes.

`GET /console/api/events.json`                    a page of events, newest first
`GET /console/api/events/{key}.json`              all that is known of one event

Both say what `badge-bridge events list --json` and `events show --json` print.
"""

from badge_bridge.console.api import handle

__all__ = ["handle"]
