"""The portal's living data: the seed's records, indexed by their keys."""

from __future__ import annotations

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
        self.users: dict[int, User] = {user.id: user for user in seed.users}
        self.webhooks: dict[tuple[int, str], Webhook] = {(hook.user_id, hook.secret): hook for hook in seed.webhooks}
        self.tokens: dict[str, Token] = {token.access_token: token for token in seed.tokens}
        self.badges: dict[str, Badge] = {badge.code: badge for badge in seed.badges}
        self.crm = Crm(seed)
        self.calls: dict[int, CallRow] = {call.id: call for call in seed.calls}
        self.icons = seed.icons
        self.logos = seed.logos
        self.crm_mode = seed.crm_mode
        self._seed = seed

    def to_seed(self) -> Seed:
        return self._seed.model_copy(
            update={
                "variants": self.variants,
                "users": tuple(self.users.values()),
                "webhooks": tuple(self.webhooks.values()),
                "tokens": tuple(self.tokens.values()),
                "badges": tuple(self.badges.values()),
                "calls": tuple(self.calls.values()),
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
