"""`crm.enum.ownertype` and `crm.settings.mode.get`: what kinds of items the CRM has."""

from __future__ import annotations

from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["enums"]

enums = Methods("crm")

# (Bitrix24 docs, "crm.enum.ownertype"); smart processes, whose numbers differ from portal to portal, are left out.
_OWNER_TYPES = (
    (1, "Lead", "LEAD", "L"),
    (2, "Deal", "DEAL", "D"),
    (3, "Contact", "CONTACT", "C"),
    (4, "Company", "COMPANY", "CO"),
    (5, "Invoice (previous version)", "INVOICE", "I"),
    (31, "Invoice", "SMART_INVOICE", "SI"),
    (7, "Estimate", "QUOTE", "Q"),
    (8, "Details", "REQUISITE", "RQ"),
)


@enums.method("crm.enum.ownertype")
def owner_types(_context: Context, _params: Params) -> Reply:
    """The kinds of items with their numbers and symbols."""
    names = ("ID", "NAME", "SYMBOL_CODE", "SYMBOL_CODE_SHORT")
    return Reply([dict(zip(names, row, strict=True)) for row in _OWNER_TYPES])


@enums.method("crm.settings.mode.get")
def mode(context: Context, _params: Params) -> Reply:
    """1 for the classic CRM, 2 for the simple one, which has no leads."""
    return Reply(context.records.crm_mode)
