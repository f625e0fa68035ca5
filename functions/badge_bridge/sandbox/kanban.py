"""A kanban as values: columns of stages with the cards in them, each with the badge that its item shows.

A card shows the badge of its item's newest open activity that has one; completing that activity takes the badge away,
and the one below comes out (Bitrix24 docs, "Configurable activity badges").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from badge_bridge.sandbox.crm_seed import Deal, Lead, Stage
from badge_bridge.sandbox.records import Records

__all__ = ["BOARDS", "Board", "BoardName", "Card", "CardBadge", "Column", "Details", "details", "lay_out"]

BoardName = Literal["deals", "leads"]
BOARDS: Mapping[str, BoardName] = {"deals": "deals", "leads": "leads"}

_SHOWN = 50
"""Cards of one column; the rest is counted."""
_NO_STAGE = "#A8ADB4"


@dataclass(frozen=True, slots=True)
class CardBadge:
    """A badge in one language. `title` is the caption, `value` the text in the pill."""

    code: str
    title: str
    value: str
    type: str
    activity: int


@dataclass(frozen=True, slots=True)
class Card:
    id: int
    title: str
    customer: str
    amount: float
    currency: str
    badge: CardBadge | None


@dataclass(frozen=True, slots=True)
class Column:
    """`more` is how many cards there are beyond those in `cards`; `total` is the sum of all amounts by currency."""

    stage: str
    name: str
    color: str
    semantic: str
    total: Mapping[str, float]
    cards: tuple[Card, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    name: BoardName
    language: str
    columns: tuple[Column, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def lay_out(records: Records, name: BoardName, language: str = "", *, category: int = 0) -> Board:
    """The board of one pipeline, the newest item on top; without a language, in the portal's own."""
    crm = records.crm
    kind = "deal" if name == "deals" else "lead"
    of_board: Iterable[Deal | Lead] = crm.deals.values() if name == "deals" else crm.leads.values()
    known = {stage.id: stage for stage in crm.stages if (stage.kind, stage.category_id) == (kind, category)}
    by_stage: dict[str, list[Deal | Lead]] = {stage: [] for stage in known}
    for item in sorted(of_board, key=lambda item: -item.id):
        if getattr(item, "category_id", 0) == category:
            by_stage.setdefault(_stage_of(item), []).append(item)
    columns = (_column(records, known.get(stage), stage, items, language) for stage, items in by_stage.items())
    return Board(name, language or records.language, tuple(columns))


@dataclass(frozen=True, slots=True)
class Details:
    """A card by itself, with every badge on it, the latest first. `kind` is as in its address, such as `deal`."""

    kind: str
    language: str
    card: Card
    badges: tuple[CardBadge, ...]


def details(records: Records, kind: str, number: int, language: str = "") -> Details | None:
    """One card of the CRM; None where there is none of this kind with this number."""
    crm = records.crm
    kinds: Mapping[str, tuple[int, Mapping[int, Any]]] = {
        "lead": (1, crm.leads),
        "deal": (2, crm.deals),
        "contact": (3, crm.contacts),
        "company": (4, crm.companies),
    }
    owner_type, items = kinds.get(kind, (0, {}))
    item = items.get(number)
    if item is None:
        return None
    badges = tuple(_badges(records, crm.activities_on(owner_type, [number]), language))
    if isinstance(item, Deal | Lead):
        card = _card(records, item, language)
    else:
        title = item.title if kind == "company" else f"{item.name} {item.last_name}".strip()
        card = Card(number, title, "", 0.0, "", next(iter(badges), None))
    return Details(kind, language or records.language, card, badges)


def _stage_of(item: Deal | Lead) -> str:
    return item.stage_id if isinstance(item, Deal) else item.status_id


def _column(records: Records, stage: Stage | None, stage_id: str, items: list[Deal | Lead], language: str) -> Column:
    """A stage that the pipeline does not have gets a grey column of its own."""
    total: dict[str, float] = {}
    for item in items:
        if item.opportunity:
            total[item.currency] = total.get(item.currency, 0.0) + item.opportunity
    return Column(
        stage=stage_id,
        name=stage.name if stage else stage_id,
        color=stage.color if stage else _NO_STAGE,
        semantic=stage.semantic if stage else "P",
        total=total,
        cards=tuple(_card(records, item, language) for item in items[:_SHOWN]),
        more=max(0, len(items) - _SHOWN),
    )


def _card(records: Records, item: Deal | Lead, language: str) -> Card:
    owner_type = 2 if isinstance(item, Deal) else 1
    return Card(
        id=item.id,
        title=item.title,
        customer=_customer(records, item),
        amount=item.opportunity,
        currency=item.currency,
        badge=next(_badges(records, records.crm.activities_on(owner_type, [item.id]), language), None),
    )


def _customer(records: Records, item: Deal | Lead) -> str:
    if isinstance(item, Lead):
        return f"{item.name} {item.last_name}".strip()
    contact = records.crm.contacts.get(item.contact_ids[0]) if item.contact_ids else None
    company = records.crm.companies.get(item.company_id) if item.company_id is not None else None
    names = (f"{contact.name} {contact.last_name}".strip() if contact else "", company.title if company else "")
    return ", ".join(name for name in names if name)


def _badges(records: Records, activities: Iterable[int], language: str) -> Iterator[CardBadge]:
    """A code that is not registered, or not any more, shows nothing."""
    for number in sorted(activities, reverse=True):
        activity = records.crm.activities[number]
        badge = records.badges.get(activity.badge_code)
        if not activity.completed and badge is not None:
            yield CardBadge(
                badge.code,
                records.resolve(badge.title, language),
                records.resolve(badge.value, language),
                badge.type,
                number,
            )
