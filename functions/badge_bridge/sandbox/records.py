"""The portal's living data: the seed's records, indexed by their keys."""

from __future__ import annotations

from badge_bridge.sandbox.seed import Badge, Company, Contact, Deal, Lead, Seed, Text, Token, User, Webhook

__all__ = ["Records"]


class Records:
    """What methods read and change. `to_seed` gives it back as a value."""

    def __init__(self, seed: Seed) -> None:
        self.language = seed.language
        self.languages = frozenset(seed.languages)
        self.variants = seed.variants
        self.users: dict[int, User] = {user.id: user for user in seed.users}
        self.webhooks: dict[tuple[int, str], Webhook] = {(hook.user_id, hook.secret): hook for hook in seed.webhooks}
        self.tokens: dict[str, Token] = {token.access_token: token for token in seed.tokens}
        self.badges: dict[str, Badge] = {badge.code: badge for badge in seed.badges}
        self.companies: dict[int, Company] = {company.id: company for company in seed.companies}
        self.contacts: dict[int, Contact] = {contact.id: contact for contact in seed.contacts}
        self.deals: dict[int, Deal] = {deal.id: deal for deal in seed.deals}
        self.leads: dict[int, Lead] = {lead.id: lead for lead in seed.leads}
        self._seed = seed

    def to_seed(self) -> Seed:
        return self._seed.model_copy(
            update={
                "variants": self.variants,
                "users": tuple(self.users.values()),
                "webhooks": tuple(self.webhooks.values()),
                "tokens": tuple(self.tokens.values()),
                "badges": tuple(self.badges.values()),
                "companies": tuple(self.companies.values()),
                "contacts": tuple(self.contacts.values()),
                "deals": tuple(self.deals.values()),
                "leads": tuple(self.leads.values()),
            }
        )

    def resolve(self, text: Text) -> str:
        """One text: in the portal's language, else English, else the first (Bitrix24 docs, badges overview)."""
        if isinstance(text, str):
            return text
        for language in (self.language, "en"):
            if language in text:
                return text[language]
        return next(iter(text.values()), "")
