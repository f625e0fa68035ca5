"""The store in memory. Read `store.py` first; `rows.py` holds what it keeps of events, `ledger.py` and `shared.py` what
it keeps besides them.
"""

from badge_bridge.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
