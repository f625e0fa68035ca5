"""Badge Bridge turns signed webhooks, such as a missed call, into badges on Bitrix24 CRM cards.

Start reading at `badge_bridge.pipeline`; the README says how to run it.
"""

__version__ = "0.2.0"
__all__ = ["__version__"]
