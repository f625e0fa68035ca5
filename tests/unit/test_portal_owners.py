"""Whose card it is: ways to the customer, the rule's order, what is remembered and shared."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from badge_bridge.errors import CallRefused, InDoubt, OutcomeUnknown, PortalError, PortalPaused
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.crm_items import TYPE_IDS, OwnerKind, kind_of
from badge_bridge.portal.leads import HOLD
from badge_bridge.portal.owners import KEPT_FOR, Customer, Found, Owner, Owners, WantedOwner
from support.scripted_portal import ScriptedPortal, lost, paused, refused
from support.shared_store import SharedStore

FIND = "crm.duplicate.findbycomm"
LIST = "crm.item.list"
STATISTICS = "voximplant.statistic.get"
PHONE = "+4930123456"
ANNA = Customer(phone=PHONE)
ANY = WantedOwner(("deal", "lead", "contact", "company"))
KINDS: dict[int, OwnerKind] = {number: kind for kind, number in TYPE_IDS.items()}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Crm(ScriptedPortal):
    """A small CRM that is asked as the portal is: numbers are compared as a whole, deals filtered by their fields."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[OwnerKind, list[dict[str, Any]]] = {"deal": [], "lead": [], "contact": [], "company": []}
        self.reached_by: dict[str, dict[str, list[int]]] = {}
        self.not_filtered: set[str] = set()
        self.answers = {FIND: self.find, LIST: self.list, "crm.item.add": self.add}

    def deal(self, number: int, contacts: tuple[int, ...] = (), company: int = 0, semantic: str = "P") -> None:
        first = contacts[0] if contacts else None
        parties = {"contactId": first, "contactIds": list(contacts), "companyId": company}
        self.items["deal"].append({"id": number, "assignedById": 7, "stageSemanticId": semantic, **parties})

    def item(self, kind: OwnerKind, number: int, **fields: Any) -> None:
        self.items[kind].append({"id": number, "assignedById": 8, **fields})

    def find(self, params: dict[str, Any]) -> Any:
        hits: dict[str, list[int]] = {}
        for value in params["values"]:
            found = self.reached_by.get(value, {})
            hits |= {kind: ids for kind, ids in found.items() if kind == params.get("entity_type", kind)}
        order = ("LEAD", "CONTACT", "COMPANY")
        for place, kind in enumerate(order):
            if len(hits.get(kind, ())) >= 20:
                return {name: ids for name, ids in hits.items() if name in order[: place + 1]}
        return hits or []

    def list(self, params: dict[str, Any]) -> Any:
        where = params["filter"]
        for name in where:
            if name.lstrip("@") in self.not_filtered:
                return refused("INVALID_ARG_VALUE")
        assert params["order"] == {"id": "desc"}
        rows = self.items[KINDS[params["entityTypeId"]]]
        rows = [row for row in rows if all(matches(row, name, value) for name, value in where.items())]
        rows = sorted(rows, key=lambda row: -int(row["id"]))[:50]
        return {"items": [{name: row[name] for name in params["select"] if name in row} for row in rows]}

    def add(self, params: dict[str, Any]) -> Any:
        number = 100 + len(self.items["lead"])
        self.item("lead", number, stageSemanticId="P", **params["fields"])
        return {"item": {"id": number, "assignedById": 8}}


def matches(row: dict[str, Any], name: str, wanted: Any) -> bool:
    value = row.get(name.lstrip("@"))
    values = set(value) if isinstance(value, list) else {value}
    return bool(values & set(wanted)) if name.startswith("@") else wanted in values


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crm() -> Crm:
    return Crm()


@pytest.fixture
def holds() -> SharedStore:
    return SharedStore()


@pytest.fixture
def owners(crm: Crm, clock: Clock, holds: SharedStore) -> Owners:
    return Owners(crm, clock=clock, holds=holds)


async def test_one_contact_with_one_open_deal_costs_two_commands(owners: Owners, crm: Crm) -> None:
    """The usual customer: found by the number, then his deal, with the user who is responsible for it."""
    crm.reached_by = {"030123456": {"CONTACT": [3]}}
    crm.deal(45, (3,))
    crm.deal(46, (3,), semantic="S")
    crm.deal(47, (4,))
    asked: list[Exchange] = []
    found = await owners.find(ANNA, ANY, asked=asked)
    assert found == Found(Owner("deal", 45, 7), "open deal 45 of contact 3, found by phone")
    assert crm.methods() == ["duplicate.findbycomm", "item.list"]
    assert [exchange.method for exchange in asked] == [FIND, LIST]


async def test_the_number_is_sought_in_many_spellings_in_one_call(owners: Owners, crm: Crm) -> None:
    """Twenty values at most, all in one call, and no kind is left out before."""
    await owners.find(ANNA, ANY)
    (params,) = crm.params(FIND)
    assert params["type"] == "PHONE"
    assert {PHONE, "4930123456", "030123456"} <= set(params["values"])
    assert len(params["values"]) <= 20
    assert "entity_type" not in params


async def test_the_newest_open_deal_counts_when_there_are_several(owners: Owners, crm: Crm) -> None:
    """A secondary contact's deal counts as well; the sentence says how many there were and why this one."""
    crm.reached_by = {PHONE: {"CONTACT": [3, 9]}}
    crm.deal(41, (3,))
    crm.deal(45, (8, 9))
    found = await owners.find(ANNA, ANY)
    assert found.owner == Owner("deal", 45, 7)
    assert found.how == "open deal 45, the newest of 2 (45, 41), of contact 9, found by phone"


async def test_only_the_first_contact_counts_when_the_portal_cannot_filter_by_all(owners: Owners, crm: Crm) -> None:
    """The refusal is met once; from then on deals are asked for by `contactId` at once."""
    crm.not_filtered = {"contactIds"}
    crm.reached_by = {PHONE: {"CONTACT": [3]}, "+4930999999": {"CONTACT": [4]}}
    crm.deal(45, (3, 5))
    crm.deal(46, (4,))
    assert (await owners.find(ANNA, ANY)).owner == Owner("deal", 45, 7)
    assert (await owners.find(Customer(phone="+4930999999"), ANY)).owner == Owner("deal", 46, 7)
    filters = [next(iter(params["filter"])) for params in crm.params(LIST)]
    assert filters == ["@contactIds", "@contactId", "@contactId"]


async def test_another_refusal_is_raised_when_deals_are_listed(owners: Owners, crm: Crm) -> None:
    """Only what says that a filter or its value is wrong leads to the other filter, and only if that one works."""
    crm.reached_by = {PHONE: {"CONTACT": [3]}}
    crm.not_filtered = {"contactIds", "contactId"}
    with pytest.raises(CallRefused, match="INVALID_ARG_VALUE"):
        await owners.find(ANNA, ANY)
    crm.not_filtered = set()
    crm.deal(45, (8, 3))
    assert (await owners.find(ANNA, ANY)).owner == Owner("deal", 45, 7)
    crm.answers[LIST] = refused("REQUIRED_ARG_MISSING")
    with pytest.raises(CallRefused, match="REQUIRED_ARG_MISSING"):
        await owners.find(ANNA, WantedOwner(("deal",)))


async def test_a_deal_of_others_is_not_taken_when_the_portal_passes_over_the_filter(owners: Owners, crm: Crm) -> None:
    """A badge on the wrong card would be worse than none; a row that does not tell its contacts is believed."""
    crm.reached_by = {PHONE: {"CONTACT": [3]}}
    foreign = {"id": 90, "contactIds": [8], "contactId": 8}
    crm.answers[LIST] = lambda params: {"items": [foreign, {"id": 89, "contactIds": []}]}
    assert (await owners.find(ANNA, WantedOwner(("deal",)))).owner is None
    crm.answers[LIST] = lambda params: {"items": [{"id": "90", "assignedById": "7"}]}
    found = await owners.find(ANNA, WantedOwner(("deal", "lead")))
    assert found == Found(Owner("deal", 90, 7), "open deal 90 of contact 3, found by phone")


async def test_the_company_of_the_number_counts_when_no_contact_has_an_open_deal(owners: Owners, crm: Crm) -> None:
    """First the contacts' deals, then those of the company that the number belongs to."""
    crm.reached_by = {PHONE: {"CONTACT": [3], "COMPANY": [6]}}
    crm.deal(45, (3,), semantic="F")
    crm.deal(44, (), company=6)
    found = await owners.find(ANNA, ANY)
    assert found == Found(Owner("deal", 44, 7), "open deal 44 of company 6, found by phone")
    assert len(crm.params(LIST)) == 2


async def test_the_company_that_the_contact_works_for_counts_last(owners: Owners, crm: Crm) -> None:
    """Its deal need not name the contact; a contact without a company, and a company without a deal, lead nowhere."""
    crm.reached_by = {PHONE: {"CONTACT": [3, 4]}}
    crm.item("contact", 3, companyId=6)
    crm.item("contact", 4, companyId=0)
    crm.deal(44, (9,), company=6)
    crm.deal(43, (), company=7)
    found = await owners.find(ANNA, ANY)
    assert found == Found(Owner("deal", 44, 7), "open deal 44 of company 6, where the contact works, found by phone")
    owners.forget(ANNA)
    crm.items["deal"] = [deal for deal in crm.items["deal"] if deal["id"] != 44]
    assert (await owners.find(ANNA, WantedOwner(("deal",)))).owner is None


@pytest.mark.parametrize(
    ("to", "owner", "how"),
    [
        (("deal", "lead", "contact"), Owner("lead", 12, 8), "open lead 12, found by phone"),
        (("contact", "lead"), Owner("contact", 3, 8), "contact 3, found by phone"),
        (("deal", "company"), Owner("company", 6, 8), "company 6, found by phone"),
    ],
)
async def test_the_first_kind_of_the_rule_counts(
    owners: Owners, crm: Crm, to: tuple[OwnerKind, ...], owner: Owner, how: str
) -> None:
    """The rule's order decides; closed leads are passed over."""
    crm.reached_by = {PHONE: {"LEAD": [11, 12, 13], "CONTACT": [3], "COMPANY": [6]}}
    crm.item("lead", 11, stageSemanticId="S")
    crm.item("lead", 12, stageSemanticId="P")
    crm.item("lead", 13, stageSemanticId="F")
    crm.item("contact", 3)
    crm.item("company", 6)
    assert await owners.find(ANNA, WantedOwner(to)) == Found(owner, how)


async def test_nothing_is_asked_for_in_vain_when_one_kind_alone_is_needed(owners: Owners, crm: Crm) -> None:
    """Then the search is for that kind, which no other can crowd out."""
    crm.reached_by = {PHONE: {"LEAD": [1], "CONTACT": [3]}}
    crm.item("contact", 3)
    assert (await owners.find(ANNA, WantedOwner(("contact",)))).owner == Owner("contact", 3, 8)
    assert crm.params(FIND)[0]["entity_type"] == "CONTACT"


async def test_the_types_left_out_are_asked_for_when_one_has_twenty_hits(owners: Owners, crm: Crm) -> None:
    """Twenty leads hide contacts and companies; both are asked for on their own, what is not hidden is not."""
    crm.reached_by = {PHONE: {"LEAD": list(range(1, 21)), "CONTACT": [3], "COMPANY": [6]}}
    crm.deal(44, (), company=6)
    found = await owners.find(ANNA, WantedOwner(("deal", "contact")))
    assert found.owner == Owner("deal", 44, 7)
    assert [params.get("entity_type") for params in crm.params(FIND)] == [None, "CONTACT", "COMPANY"]


async def test_no_second_search_when_a_list_is_below_twenty(owners: Owners, crm: Crm) -> None:
    """Nineteen hits hide nothing."""
    crm.reached_by = {PHONE: {"LEAD": list(range(1, 20))}}
    await owners.find(ANNA, ANY)
    assert len(crm.params(FIND)) == 1


async def test_the_e_mail_is_looked_for_when_the_number_leads_nowhere(owners: Owners, crm: Crm) -> None:
    """Nowhere: nobody has it, or those who have it have no card that the rule wants."""
    crm.reached_by = {PHONE: {"CONTACT": [3]}, "anna@example.com": {"LEAD": [5]}}
    crm.item("lead", 5, stageSemanticId="P")
    customer = Customer(phone=PHONE, email="anna@example.com")
    found = await owners.find(customer, WantedOwner(("deal", "lead")))
    assert found == Found(Owner("lead", 5, 8), "open lead 5, found by e-mail")
    assert [(params["type"], len(params["values"]) > 1) for params in crm.params(FIND)] == [
        ("PHONE", True),
        ("EMAIL", False),
    ]


@pytest.mark.parametrize(
    ("customer", "how"),
    [
        (Customer(), "there is neither a number nor an e-mail address to look for"),
        (Customer(phone="anonymous"), "there is neither a number nor an e-mail address to look for"),
        (ANNA, "no open deal or open lead: contact 3 found by phone"),
        (Customer(phone="+4930777777"), "no open deal or open lead: nobody found by phone"),
        (
            Customer(phone=PHONE, email="x@example.com"),
            "no open deal or open lead: contact 3 found by phone, nobody found by e-mail",
        ),
    ],
)
async def test_what_did_not_lead_to_a_card_is_said_without_the_number(
    owners: Owners, crm: Crm, customer: Customer, how: str
) -> None:
    """Whoever reads the outcome learns what was found and what was not."""
    crm.reached_by = {PHONE: {"CONTACT": [3]}}
    assert await owners.find(customer, WantedOwner(("deal", "lead"))) == Found(None, how)


@pytest.mark.parametrize("nothing", [[], {}, None, "", False])
async def test_nothing_in_any_form_is_nobody(owners: Owners, crm: Crm, nothing: object) -> None:
    """PHP has many words for an empty object."""
    crm.answers[FIND] = lambda params: nothing
    assert (await owners.find(ANNA, ANY)).owner is None


async def test_an_owner_that_the_event_names_is_read_and_trusted(owners: Owners, crm: Crm) -> None:
    """Not even a closed deal is questioned; without it there is no owner, whoever the customer may be."""
    crm.deal(45, (3,), semantic="S")
    given = WantedOwner(("deal",), given=("deal", 45))
    assert await owners.find(ANNA, given) == Found(Owner("deal", 45, 7), "deal 45, which the event names")
    missing = await owners.find(ANNA, WantedOwner(("deal",), given=("deal", 46)))
    assert missing == Found(None, "deal 46, which the event names, does not exist or cannot be read")
    assert crm.methods() == ["item.list", "item.list"]


CALL = Customer(phone=PHONE, call_id="externalCall.abc")


@pytest.mark.parametrize("number", [3, "3"], ids=repr)
async def test_the_portals_own_call_leads_to_its_contact_and_on_to_the_deal(
    owners: Owners, crm: Crm, number: object
) -> None:
    """The number is not looked for: the portal has joined the call to a contact itself."""
    row = {"CALL_ID": "externalCall.abc", "CRM_ENTITY_TYPE": "CONTACT", "CRM_ENTITY_ID": number}
    crm.answers[STATISTICS] = [[row]]
    crm.deal(45, (3,))
    assert await owners.find(CALL, ANY) == Found(Owner("deal", 45, 7), "open deal 45 of contact 3, found by the call")
    assert crm.sent[0] == (STATISTICS, {"FILTER": {"CALL_ID": "externalCall.abc"}})
    assert FIND not in dict(crm.sent)


async def test_the_portals_own_call_leads_to_its_deal(owners: Owners, crm: Crm) -> None:
    """A call that was made from a deal's card belongs there."""
    crm.answers[STATISTICS] = [[{"CRM_ENTITY_TYPE": "DEAL", "CRM_ENTITY_ID": "45"}]]
    crm.deal(45, (3,))
    crm.deal(46, (3,))
    assert await owners.find(CALL, ANY) == Found(Owner("deal", 45, 7), "open deal 45, found by the call")


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [{"CALL_ID": "externalCall.abc", "CRM_ENTITY_TYPE": None, "CRM_ENTITY_ID": None}],
        [{"CALL_ID": "externalCall.abc", "CRM_ENTITY_TYPE": "", "CRM_ENTITY_ID": "0"}],
        [{"CALL_ID": "externalCall.abc", "CRM_ENTITY_TYPE": "DYNAMIC_128", "CRM_ENTITY_ID": "2"}],
        [{"CALL_ID": "another", "CRM_ENTITY_TYPE": "CONTACT", "CRM_ENTITY_ID": "99"}],
        refused("ACCESS_DENIED", status=403),
        refused("ERROR_METHOD_NOT_FOUND", status=404),
        paused(STATISTICS, because=refused("insufficient_scope", status=403)),
        paused(STATISTICS),
    ],
    ids=["no row", "null", "no item", "smart process", "another call", "denied", "no telephony", "refused", "paused"],
)
async def test_the_number_is_looked_for_when_the_call_statistics_do_not_tell(
    owners: Owners, crm: Crm, answer: Any
) -> None:
    """A missing row, right or scope keeps no event from its card."""
    crm.answers[STATISTICS] = [answer]
    crm.reached_by = {PHONE: {"CONTACT": [3]}}
    crm.deal(45, (3,))
    assert (await owners.find(CALL, ANY)).how == "open deal 45 of contact 3, found by phone"


async def test_the_number_is_looked_for_when_the_calls_item_has_no_card_that_is_wanted(
    owners: Owners, crm: Crm
) -> None:
    """A closed lead is where the call ended, but not where the badge belongs."""
    crm.answers[STATISTICS] = [[{"CRM_ENTITY_TYPE": "LEAD", "CRM_ENTITY_ID": "5"}]]
    crm.item("lead", 5, stageSemanticId="S")
    crm.reached_by = {PHONE: {"CONTACT": [3]}}
    crm.deal(45, (3,))
    assert (await owners.find(CALL, ANY)).owner == Owner("deal", 45, 7)


@pytest.mark.parametrize("error", [lost(STATISTICS), paused(STATISTICS, lane="main")], ids=["lost", "portal paused"])
async def test_the_event_waits_when_the_portal_itself_fails(owners: Owners, crm: Crm, error: PortalError) -> None:
    """What is wrong with the portal as a whole says nothing about the statistics."""
    crm.answers[STATISTICS] = [error]
    with pytest.raises((OutcomeUnknown, PortalPaused)):
        await owners.find(CALL, ANY)
    assert crm.methods() == ["statistic.get"]


async def test_a_finding_is_kept_for_a_while(owners: Owners, crm: Crm, clock: Clock) -> None:
    """By customer and order; then, or when it is to be forgotten, the portal is asked again."""
    crm.reached_by = {PHONE: {"CONTACT": [3]}}
    crm.deal(45, (3,))
    await owners.find(ANNA, ANY)
    clock.now += KEPT_FOR - 0.1
    assert (await owners.find(ANNA, ANY)).owner == Owner("deal", 45, 7)
    assert len(crm.sent) == 2
    clock.now += 0.1
    await owners.find(ANNA, ANY)
    assert len(crm.sent) == 4
    await owners.find(ANNA, WantedOwner(("contact", "deal")))
    assert len(crm.sent) > 5
    before = len(crm.sent)
    owners.forget(ANNA)
    await owners.find(ANNA, ANY)
    await owners.find(ANNA, ANY)
    assert len(crm.sent) == before + 2


async def test_a_finding_does_not_last_longer_when_the_clock_is_set_back(
    owners: Owners, crm: Crm, clock: Clock
) -> None:
    """A wrong date that was corrected must not freeze what is known."""
    await owners.find(ANNA, ANY)
    clock.now -= 86_400
    await owners.find(ANNA, ANY)
    assert len(crm.params(FIND)) == 2


async def test_findings_that_have_ended_are_dropped(owners: Owners, crm: Crm, clock: Clock) -> None:
    """What is kept does not grow with the number of customers."""
    for number in range(100):
        clock.now += 1
        await owners.find(Customer(phone=f"+493012340{number:02}"), ANY)
    assert KEPT_FOR - 1 <= len(owners._kept) <= KEPT_FOR + 1


async def test_one_look_serves_all_who_come_together(owners: Owners, crm: Crm) -> None:
    """Fifty events of one customer cost as much as one."""
    crm.reached_by = {PHONE: {"CONTACT": [3]}}
    crm.deal(45, (3,))
    found = await asyncio.gather(*(owners.find(ANNA, ANY) for _ in range(50)))
    assert {one.owner for one in found} == {Owner("deal", 45, 7)}
    assert len(crm.sent) == 2


async def test_a_failed_look_is_not_kept(owners: Owners, crm: Crm) -> None:
    """All who share it get the error, the next one looks anew."""
    crm.answers[FIND] = [lost(FIND), []]
    results = await asyncio.gather(*(owners.find(ANNA, ANY) for _ in range(3)), return_exceptions=True)
    assert {type(result) for result in results} == {OutcomeUnknown}
    assert (await owners.find(ANNA, ANY)).owner is None


async def test_a_look_is_stopped_when_the_portal_is_closed(owners: Owners, crm: Crm) -> None:
    """Closing waits for nothing that hangs."""
    crm.gate = asyncio.Event()
    waiting = asyncio.create_task(owners.find(ANNA, ANY))
    await asyncio.sleep(0)
    await owners.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_lead_is_made_with_the_customers_number_and_our_mark(owners: Owners, crm: Crm) -> None:
    """Number and e-mail go into the multi-value field; the mark gives away neither."""
    customer = Customer(phone=PHONE, email="anna@example.com")
    found = await owners.create_lead(customer, "Missed call")
    assert found == Found(Owner("lead", 100, 8), "lead 100, made for this customer")
    (params,) = crm.params("crm.item.add")
    assert params["entityTypeId"] == 1
    assert params["fields"]["title"] == "Missed call"
    assert params["fields"]["fm"] == [
        {"typeId": "PHONE", "valueType": "WORK", "value": PHONE},
        {"typeId": "EMAIL", "valueType": "WORK", "value": "anna@example.com"},
    ]
    assert params["fields"]["originatorId"] == "badge-bridge"
    assert "4930123456" not in params["fields"]["originId"]


async def test_a_lead_is_found_again_when_the_answer_to_its_add_was_lost(
    owners: Owners, crm: Crm, clock: Clock
) -> None:
    """The next attempt waits until the portal can no longer be working on it, and looks for the mark first."""

    def committed(params: dict[str, Any]) -> Any:
        crm.add(params)
        return lost("crm.item.add")

    crm.answers["crm.item.add"] = [committed]
    with pytest.raises(OutcomeUnknown):
        await owners.create_lead(ANNA, "Missed call")
    clock.now += HOLD - 1
    with pytest.raises(InDoubt):
        await owners.create_lead(ANNA, "Missed call")
    clock.now += 2
    found = await owners.create_lead(ANNA, "Missed call")
    assert found == Found(Owner("lead", 100, 8), "open lead 100, which the bridge made for this customer before")


async def test_a_lead_is_looked_for_at_once_when_the_portal_failed_to_make_it(owners: Owners, crm: Crm) -> None:
    """A failure is an answer: the portal works on it no more."""

    def failed(params: dict[str, Any]) -> Any:
        return OutcomeUnknown("failed", portal="main", method="crm.item.add", code="INTERNAL_SERVER_ERROR", status=500)

    crm.answers["crm.item.add"] = [failed, crm.add]
    with pytest.raises(OutcomeUnknown):
        await owners.create_lead(ANNA, "Missed call")
    assert (await owners.create_lead(ANNA, "Missed call")).how == "lead 100, made for this customer"


async def test_one_lead_is_made_when_two_processes_want_it_at_the_same_time(
    owners: Owners, crm: Crm, clock: Clock, holds: SharedStore
) -> None:
    """The second looks again a little later, and finds what the first has made."""
    crm.gate = asyncio.Event()
    first = asyncio.create_task(owners.create_lead(ANNA, "Missed call"))
    for _ in range(5):
        await asyncio.sleep(0)
    other = Owners(crm, clock=clock, holds=holds)
    with pytest.raises(InDoubt):
        await other.create_lead(ANNA, "Missed call")
    crm.gate.set()
    assert (await first).owner == Owner("lead", 100, 8)
    assert (await other.create_lead(ANNA, "Missed call")).owner == Owner("lead", 100, 8)
    assert len(crm.params("crm.item.add")) == 1


async def test_a_second_lead_is_made_when_the_first_was_closed(owners: Owners, crm: Crm) -> None:
    """A customer who comes back after his lead was closed is new work."""
    await owners.create_lead(ANNA, "Missed call")
    crm.items["lead"][0]["stageSemanticId"] = "S"
    assert (await owners.create_lead(ANNA, "Missed call")).owner == Owner("lead", 101, 8)


async def test_a_foreign_lead_is_not_taken_when_the_portal_passes_over_the_filter(owners: Owners, crm: Crm) -> None:
    """The mark is compared here as well."""
    crm.answers[LIST] = lambda params: {"items": [{"id": 5, "originatorId": "crm-import", "originId": "1"}]}
    assert (await owners.create_lead(ANNA, "Missed call")).how == "lead 100, made for this customer"


async def test_one_lead_is_made_when_several_events_want_one_together(owners: Owners, crm: Crm) -> None:
    """Two missed calls of a new customer within a second are one lead; that there was none is forgotten."""
    wanted = WantedOwner(("lead",))
    await owners.find(ANNA, wanted)
    leads = await asyncio.gather(*(owners.create_lead(ANNA, "Missed call") for _ in range(5)))
    assert {lead.owner for lead in leads} == {Owner("lead", 100, 8)}
    assert len(crm.params("crm.item.add")) == 1
    crm.reached_by = {PHONE: {"LEAD": [100]}}
    assert (await owners.find(ANNA, wanted)).owner == Owner("lead", 100, 8)


async def test_no_lead_is_made_when_the_customer_is_unknown(owners: Owners, crm: Crm) -> None:
    """A caller who hides his number would get a new lead with every call, or share one with all others who do."""
    assert (await owners.create_lead(Customer(), "Missed call")).owner is None
    assert (await owners.create_lead(Customer(phone="anonymous"), "Missed call")).owner is None
    assert crm.sent == []


async def test_a_lead_has_no_phone_when_a_word_stands_in_its_place(owners: Owners, crm: Crm) -> None:
    """The e-mail address alone tells whose lead it is; what was found before for this customer is forgotten."""
    customer = Customer(phone="anonymous", email="Anna@example.com")
    wanted = WantedOwner(("lead",))
    assert (await owners.find(customer, wanted)).owner is None
    assert (await owners.create_lead(customer, "Missed call")).owner == Owner("lead", 100, 8)
    (params,) = crm.params("crm.item.add")
    assert [one["typeId"] for one in params["fields"]["fm"]] == ["EMAIL"]
    crm.reached_by = {"Anna@example.com": {"LEAD": [100]}}
    assert (await owners.find(customer, wanted)).owner == Owner("lead", 100, 8)


@pytest.mark.parametrize("answer", [None, [], {}, {"item": []}, {"item": {"title": "x"}}])
async def test_the_outcome_is_unknown_when_a_new_lead_has_no_id(owners: Owners, crm: Crm, answer: Any) -> None:
    """A success without an id is looked up by the next attempt."""
    crm.answers["crm.item.add"] = lambda params: answer
    with pytest.raises(OutcomeUnknown, match="without an id"):
        await owners.create_lead(ANNA, "Missed call")


def test_a_smart_process_is_no_owner() -> None:
    """Its type has a number of its own in every portal; what the store says of such a card is a fault, not a card."""
    assert kind_of(2) == "deal"
    with pytest.raises(KeyError):
        kind_of(128)


def test_the_type_of_an_owner_is_the_portals_number() -> None:
    """Lead 1, deal 2, contact 3, company 4; and an owner is named as people name it."""
    numbers = {str(Owner(kind, 5)): Owner(kind, 5).type_id for kind in KINDS.values()}
    assert numbers == {"lead 5": 1, "deal 5": 2, "contact 5": 3, "company 5": 4}
