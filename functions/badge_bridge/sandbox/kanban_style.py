"""The style sheet of `/kanban`."""

from __future__ import annotations

from badge_bridge import badge_look

__all__ = ["STYLE"]

STYLE = (
    badge_look.STYLE
    + """
:root { color-scheme: light dark; --ground: #eef2f4; --card: #fff; --ink: #333; --faint: #828b95; --line: #dfe3e8; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #1b1f24; --card: #262b31; --ink: #e6e9ec; --faint: #98a1ab; --line: #363c44; }
}
* { box-sizing: border-box; margin: 0; }
body { background: var(--ground); color: var(--ink); font: 14px/1.4 system-ui, "Segoe UI", Roboto, sans-serif;
  padding: 20px 24px; }
body.away main { opacity: .5; }
header { display: flex; align-items: baseline; gap: 12px; margin-bottom: 20px; }
header h1 { font-size: 20px; font-weight: 600; }
header p { color: var(--faint); }
nav { margin-left: auto; display: flex; gap: 16px; }
nav a { color: var(--faint); text-decoration: none; }
nav a:hover { color: var(--ink); }
h2 { font-size: 15px; font-weight: 600; margin: 0 0 8px; }
section { margin-bottom: 28px; }
.board { display: flex; gap: 10px; align-items: flex-start; overflow-x: auto; padding-bottom: 6px; }
.column { flex: 1 0 200px; min-width: 200px; }
h3 { color: #14202b; font-size: 13px; font-weight: 600; padding: 7px 22px 7px 12px; display: flex;
  justify-content: space-between;
  clip-path: polygon(0 0, calc(100% - 9px) 0, 100% 50%, calc(100% - 9px) 100%, 0 100%); }
h3 span { opacity: .65; }
.total { text-align: center; color: var(--faint); font-size: 13px; padding: 7px 0; }
article { background: var(--card); border-left: 3px solid var(--line); border-radius: 3px; padding: 10px 12px;
  margin-bottom: 8px; box-shadow: 0 1px 2px rgb(0 0 0 / 8%); overflow-wrap: anywhere; }
h4 { font-size: 14px; font-weight: 600; }
.amount { font-size: 15px; margin-top: 3px; }
.customer, .more { color: var(--faint); font-size: 13px; margin-top: 3px; }
.more { text-align: center; }
article .badge { margin-top: 9px; padding-top: 8px; border-top: 1px solid var(--line); }
"""
)
