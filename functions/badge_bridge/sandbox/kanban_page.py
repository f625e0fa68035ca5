"""`/kanban`, and a card by itself at the address that it has in a portal, `/crm/deal/details/41/`: what a user of the
portal would see, drawn on the server, with nothing loaded from anywhere.

The page asks for itself every second and puts in what has changed; `/kanban.json` is the same as values. Every text in
it comes from somebody else, so every text is escaped, and a content policy lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from badge_bridge.badge_look import TYPES
from badge_bridge.sandbox.kanban import BOARDS, Board, Card, CardBadge, Column, Details, details, lay_out
from badge_bridge.sandbox.kanban_style import STYLE
from badge_bridge.sandbox.portal import SandboxPortal

__all__ = ["kanban_routes"]

_SCRIPT = """
const look = async () => {
  try {
    const page = await (await fetch(location.href, {cache: "no-store"})).text();
    const fresh = new DOMParser().parseFromString(page, "text/html").querySelector("main");
    const shown = document.querySelector("main");
    if (fresh && fresh.innerHTML !== shown.innerHTML) shown.innerHTML = fresh.innerHTML;
    document.body.classList.remove("away");
  } catch { document.body.classList.add("away"); }
};
setInterval(look, 1000);
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; connect-src 'self'; script-src {_hash(_SCRIPT)}; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


def kanban_routes(portal: SandboxPortal) -> list[Route]:
    """`/kanban` and `/kanban.json`, with `?board=deals|leads`, `?lang=de`, `?category=0`; and each card's own page."""

    async def page(request: Request) -> Response:
        return HTMLResponse(_page(_boards(portal, request)), headers=_HEADERS)

    async def values(request: Request) -> Response:
        boards = [board.to_json() for board in _boards(portal, request)]
        return JSONResponse({"boards": boards}, headers={"Cache-Control": "no-store"})

    async def card(request: Request) -> Response:
        kind, number = request.path_params["kind"], request.path_params["number"]
        found = details(portal.records, kind, number, request.query_params.get("lang", "").lower())
        if found is None:
            raise HTTPException(404)
        return HTMLResponse(_details(found), headers=_HEADERS)

    return [
        Route("/kanban", page, methods=["GET"]),
        Route("/kanban.json", values, methods=["GET"]),
        Route("/crm/{kind}/details/{number:int}/", card, methods=["GET"]),
    ]


def _boards(portal: SandboxPortal, request: Request) -> list[Board]:
    """The board that is asked for, else both; the simple CRM has no leads."""
    query = request.query_params
    category = query.get("category", "0")
    number = int(category) if category.isascii() and category.isdecimal() and len(category) < 10 else 0
    chosen = BOARDS.get(query.get("board", ""))
    language = query.get("lang", "").lower()
    names = [name for name in BOARDS.values() if name != "leads" or portal.records.crm_mode != 2]
    return [
        lay_out(portal.records, name, language, category=number if name == "deals" else 0)
        for name in ([chosen] if chosen else names)
    ]


def _page(boards: list[Board]) -> str:
    links = '<a href="?board=deals">Deals</a><a href="?board=leads">Leads</a><a href="?">Both</a>'
    return _document("kanban", links, "".join(_board(board) for board in boards), boards[0].language)


def _details(found: Details) -> str:
    kind = escape(found.kind)
    shown = _card(found.kind, found.card, found.badges)
    main = f'<section data-details="{kind}"><h2>{kind.capitalize()} {found.card.id}</h2>{shown}</section>'
    return _document(f"{found.kind} {found.card.id}", '<a href="/kanban">All cards</a>', main, found.language)


def _document(title: str, links: str, main: str, language: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<noscript><meta http-equiv="refresh" content="2"></noscript>\n'
        f"<title>Sandbox portal: {escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        "<header><h1>Sandbox portal</h1><p>a local portal that behaves like Bitrix24</p>"
        f"<nav>{links}</nav></header>\n"
        f"<main>{main}</main>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _board(board: Board) -> str:
    columns = "".join(_column(board, column) for column in board.columns)
    head = f'<section data-board="{board.name}"><h2>{board.name.capitalize()}</h2>'
    return f'{head}<div class="board">{columns}</div></section>'


def _column(board: Board, column: Column) -> str:
    count = len(column.cards) + column.more
    total = " · ".join(_amount(amount, currency) for currency, amount in column.total.items())
    more = f'<p class="more">and {column.more} more</p>' if column.more else ""
    return (
        f'<div class="column" data-stage="{escape(column.stage)}">'
        f'<h3 style="background:{escape(column.color)}">{escape(column.name)} <span>{count}</span></h3>'
        f'<p class="total">{escape(total) or "&nbsp;"}</p>'
        f"{''.join(_card(board.name.removesuffix('s'), card) for card in column.cards)}{more}</div>"
    )


def _card(kind: str, card: Card, badges: Sequence[CardBadge] = ()) -> str:
    """`badges` are all that are shown, where it is not the latest alone."""
    code = f' data-badge="{escape(card.badge.code)}"' if card.badge else ""
    amount = f'<p class="amount">{escape(_amount(card.amount, card.currency))}</p>' if card.amount else ""
    customer = f'<p class="customer">{escape(card.customer)}</p>' if card.customer else ""
    shown = badges or ([card.badge] if card.badge else [])
    return (
        f'<article data-{kind}="{card.id}"{code}>'
        f"<h4>{escape(card.title)}</h4>{amount}{customer}{''.join(_badge(badge) for badge in shown)}</article>"
    )


def _badge(badge: CardBadge) -> str:
    kind = badge.type if badge.type in TYPES else "secondary"
    return (
        f'<p class="badge" data-activity="{badge.activity}"><span>{escape(badge.title)}</span>'
        f'<b class="{kind}">{escape(badge.value.upper())}</b></p>'
    )


def _amount(amount: float, currency: str) -> str:
    """`52,000 EUR`, with cents where there are any."""
    return f"{amount:,.0f} {currency}" if amount == int(amount) else f"{amount:,.2f} {currency}"
