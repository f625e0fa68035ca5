"""What a badge looks like on a card, for every page of ours that shows one.

    <p class="badge"><span>Call status</span><b class="failure">MISSED</b></p>

The page says what --faint and --line are. The colours are those that the portal gives the types of badges, the red one
darker, so that white on it can be read by everybody.
"""

from __future__ import annotations

__all__ = ["STYLE", "TYPES"]

TYPES = ("success", "failure", "warning", "primary", "secondary")

STYLE = """
.badge { display: flex; justify-content: space-between; align-items: center; gap: 8px; font-size: 12px;
  color: var(--faint); }
.badge b { font-size: 11px; font-weight: 700; letter-spacing: .03em; border-radius: 9px; padding: 2px 9px; }
.badge b.success { background: #dff5b3; color: #446b00; }
.badge b.failure { background: #d93832; color: #fff; }
.badge b.warning { background: #ffd86e; color: #6b4a00; }
.badge b.primary { background: #b9ecfb; color: #0a5f7b; }
.badge b.secondary { background: #dfe3e8; color: #4b5563; }
"""
