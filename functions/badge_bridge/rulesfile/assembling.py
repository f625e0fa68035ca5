"""From the checked entries of a file to what the rest of the bridge works with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from pydantic import BaseModel

from badge_bridge.errors import Finding
from badge_bridge.rulesfile import model, portal_model, references
from badge_bridge.rulesfile.compiling import Compiled
from badge_bridge.rulesfile.document import Document
from badge_bridge.rulesfile.rules import Attach, Badge, Bound, Clear, Limits, OAuthApp, Portal, Rule, RulesFile
from badge_bridge.rulesfile.shape import Shape
from badge_bridge.rulesfile.templates import Template, literal

__all__ = ["assemble"]


def assemble(
    document: Document,
    checked: Shape,
    compiled: Mapping[int, Compiled],
    *,
    decides: bool,
    content: bytes,
    hash: str,  # noqa: A002 - what the file calls it
    secrets: frozenset[str],
) -> RulesFile:
    """The rules file of a document without mistakes."""
    portals = {name: _portal(name, portal) for name, portal in checked.portals.items()}
    badges = {
        name: Badge(name, badge.code or references.CODE_PREFIX + name, badge.title, badge.value, badge.type)
        for name, badge in checked.badges.items()
    }
    only = next(iter(portals)) if len(portals) == 1 else ""
    portal_of = {name: getattr(source, "portal", None) or only for name, source in checked.sources.items()}
    rules = tuple(
        _rule(checked.rules[index], compiled[index], portal=only, line=document.values["rules", index].line)
        for index in sorted(checked.rules)
    )
    return RulesFile(
        filename=document.filename,
        hash=hash,
        portals=MappingProxyType(portals),
        sources=MappingProxyType(checked.sources),
        badges=MappingProxyType(badges),
        rules=rules,
        portal_of=MappingProxyType(portal_of),
        bound=Bound(rules, portal_of),
        content=content,
        secrets=secrets,
        cautions=tuple(_cautions(document, checked.sources)),
        decides=decides,
        retention=checked.retention,
    )


def _cautions(document: Document, sources: Mapping[str, BaseModel]) -> Iterator[Finding]:
    for name, options in sources.items():
        # The options are a provider's, which this room knows by its shape only.
        said: Sequence[str] = getattr(options, "cautions", tuple)()
        for sentence in said:
            yield document.caution(document.keys["sources", name], f"source {name}: {sentence}", "weak-check", "note")


def _portal(name: str, portal: portal_model.Portal) -> Portal:
    oauth = portal.oauth
    app = None
    if oauth is not None and oauth.client_id is not None and oauth.client_secret is not None:
        app = OAuthApp(oauth.client_id, oauth.client_secret, oauth.server or portal_model.SERVERS[0])
    limits = portal_model.LIMITS[portal.limits] if isinstance(portal.limits, str) else portal.limits
    return Portal(
        name=name,
        url=portal.address,
        webhook=portal.webhook,
        access_token=oauth.access_token if oauth else None,
        app=app,
        install_url=portal.install_url or "",
        limits=Limits(limits.rate, limits.burst),
        trusted_hosts=portal.trusted_hosts,
    )


def _rule(entry: model.Rule, compiled: Compiled, *, portal: str, line: int) -> Rule:
    return Rule(
        name=entry.name,
        on=entry.types,
        sources=entry.sources,
        badge=entry.badge,
        portal=entry.portal or portal,
        condition=compiled.condition,
        line=line,
        attach=_attach(entry.name, entry.attach, compiled) if entry.attach else None,
        clear=Clear(entry.clear.types, compiled.same) if entry.clear else None,
    )


def _attach(name: str, entry: model.Attach, compiled: Compiled) -> Attach:
    return Attach(
        to=entry.to,
        owner=MappingProxyType(compiled.owner),
        title=compiled.title or Template(f"{literal(name[:1].upper() + name[1:])}: {{subject}}"),
        text=compiled.text,
        on_missing=entry.on_missing,
        icon=entry.icon,
        logo=entry.logo,
        button=entry.button,
    )
