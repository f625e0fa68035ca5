"""The portal's living data: the seed's records, indexed by their keys."""

from __future__ import annotations

from collections import Counter

from badge_bridge.sandbox.application_seed import Application, Grant, Handler
from badge_bridge.sandbox.call_rows import CallRow
from badge_bridge.sandbox.crm import Crm
from badge_bridge.sandbox.seed import Badge, Seed, Text, Token, User, Webhook

__all__ = ["Records"]


class Records:
    """What methods read and change. `to_seed` gives it back as a value."""

    def __init__(self, seed: Seed) -> None:
        self.language = seed.language
        self.languages = frozenset(seed.languages)
        self.variants = seed.variants
        self.met: Counter[str] = Counter()
        self.users: dict[int, User] = {user.id: user for user in seed.users}
        self.webhooks: dict[tuple[int, str], Webhook] = {(hook.user_id, hook.secret): hook for hook in seed.webhooks}
        self.tokens: dict[str, Token] = {token.access_token: token for token in seed.tokens}
        self.member_id = seed.member_id
        self.renamed_to = seed.renamed_to
        self.limits = seed.limits
        self.sending = seed.sending
        self.applications: dict[str, Application] = {made.client_id: made for made in seed.applications}
        self.grants: dict[str, Grant] = {grant.refresh_token: grant for grant in seed.grants}
        self.handlers: dict[int, Handler] = {handler.id: handler for handler in seed.handlers}
        self.outgoing_webhooks = seed.outgoing_webhooks
        self.calls: dict[int, CallRow] = {call.id: call for call in seed.calls}
        self.badges: dict[str, Badge] = {badge.code: badge for badge in seed.badges}
        self.crm = Crm(seed)
        self.icons = seed.icons
        self.logos = seed.logos
        self.crm_mode = seed.crm_mode
        self._seed = seed

    def meet(self, variant: str) -> None:
        """Count that an answer hangs on this variant, so that the portal would answer otherwise with another value."""
        self.met[variant] += 1

    def to_seed(self) -> Seed:
        return self._seed.model_copy(
            update={
                "variants": self.variants,
                "users": tuple(self.users.values()),
                "webhooks": tuple(self.webhooks.values()),
                "tokens": tuple(self.tokens.values()),
                "applications": tuple(self.applications.values()),
                "grants": tuple(self.grants.values()),
                "handlers": tuple(self.handlers.values()),
                "calls": tuple(self.calls.values()),
                "badges": tuple(self.badges.values()),
                **self.crm.to_seed(),
            }
        )

    def resolve(self, text: Text, language: str = "") -> str:
        """One text: in this or the portal's language, else English, else the first (Bitrix24 docs, badges overview)."""
        if isinstance(text, str):
            return text
        for wanted in (language or self.language, "en"):
            if wanted in text:
                return text[wanted]
        return next(iter(text.values()), "")
