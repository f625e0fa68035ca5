"""The templates of the pages. Whatever is put into one is escaped: most of it was written by somebody else.

What would turn the direction of the text around it (Unicode Standard Annex 9, "Explicit Directional Formatting
Characters") is written as the escape that JSON has for it, wherever a template prints it. Only a field of a form,
which is sent back as it stands, and the look of a badge have it as it is (`as_is`): these are apart from the text
around them. So the style sheet keeps what is marked in a line, for letters that run from right to left by themselves.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from badge_bridge import __version__
from badge_bridge.badge_look import TYPES
from badge_bridge.console.assets import asset
from badge_bridge.console.bars import bars, ceiling
from badge_bridge.console.paths import HOME
from badge_bridge.console.sessions import CSRF_FIELD, Session
from badge_bridge.moments import iso, span
from badge_bridge.plural import counted
from badge_bridge.telling import in_short, lateness, unbelieved

__all__ = [
    "as_is",
    "csrf",
    "event_href",
    "fragment",
    "in_input",
    "linked",
    "marked",
    "moment",
    "moment_of",
    "pretty",
    "query",
    "render",
    "written",
]

_LONGEST, _MOST = 100, 64 * 1024
"""Characters of a value in a sentence, and of one that stands by itself."""

_KEY = re.compile(r"(?<![\w:.-])[A-Za-z][A-Za-z0-9_-]{0,62}:[0-9a-f]{32}(?![0-9A-Za-z])")
"""As `events.event_key` makes them."""


_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _AsIs(str):
    """A text that a template prints as it is, but for what HTML wants escaped."""

    __slots__ = ()


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text of a page. A name that is not there is an error, not an empty place."""
    return _environment().get_template(template).render(values)


def fragment(template: str, block: str, values: Mapping[str, Any]) -> str:
    """The text of one block of a page, which must not use what the template has set or imported outside of it."""
    page = _environment().get_template(template)
    return "".join(page.blocks[block](page.new_context(dict(values))))


def as_is(text: str) -> str:
    """The text for a place that is apart from what stands around it, with all its characters."""
    return _AsIs(text)


def _shown(value: Any) -> Any:
    """What a template prints for a value. What is HTML already was made of such."""
    if not isinstance(value, str) or isinstance(value, Markup | _AsIs):
        return value
    return _TURNING.sub(lambda one: json.dumps(one[0])[1:-1], value)


def moment(written: str | None) -> Markup:
    """A `<time>` of what `iso` has written, in UTC; the script shows it in the reader's own zone."""
    if not written:
        return Markup()
    shown = written[:19].replace("T", " ")
    return Markup('<time datetime="{}" title="{} UTC">{}<span class="zone"> UTC</span></time>').format(
        written, shown, shown
    )


def moment_of(unix: float) -> Markup:
    """As `moment`, of unix seconds."""
    return moment(iso(unix))


def written(value: Any) -> str:
    """A value of an event as JSON, as far as it is short."""
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def pretty(value: Any) -> str:
    """JSON for a person, of which so much is shown as he may want to read."""
    shown = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return shown if len(shown) <= _MOST else f"{shown[:_MOST]}\n… the JSON of this page has all of it"


def query(given: Mapping[str, Any]) -> str:
    """The query of an address, without what is empty."""
    return urlencode({name: value for name, value in given.items() if value})


def in_input(text: str) -> str:
    """A time that somebody gave, as an input of the type datetime-local takes it: in UTC; as it is where it is none."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return text
    given = given.astimezone(UTC) if given.tzinfo else given
    return given.replace(tzinfo=None, microsecond=0).isoformat()


def event_href(key: str) -> str:
    """The address of an event's page."""
    return f"{HOME}/events/{quote(key, safe=':')}"


def linked(text: str) -> Markup:
    """A sentence in which the keys of events lead to their pages."""
    return Markup(_KEY.sub(lambda key: f'<a href="{event_href(key[0])}">{key[0]}</a>', str(escape(_shown(text)))))  # noqa: S704 - escaped, and a key has nothing to escape


def marked(text: str) -> Markup:
    """A message of ours as HTML, what stands between backticks in it as code, and keys of events as in `linked`."""
    code = Markup("<code>{}</code>")
    return Markup().join(
        code.format(_shown(part)) if at % 2 else linked(part) for at, part in enumerate(text.split("`"))
    )


def csrf(session: Session | None) -> Markup:
    """The hidden field without which the gate takes no form."""
    if session is None:
        return Markup()
    return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, session.csrf)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("badge_bridge.console"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(asset=asset, badge_types=TYPES, counted=counted, csrf=csrf, version=__version__)
    environment.globals.update(bars=bars, ceiling=ceiling)
    # Of an answer that is no page.
    environment.globals.update(
        nav=(), session=None, here="", part_of="", twin="", done=None, before="", may_change=False
    )
    shown = (
        as_is,
        event_href,
        in_input,
        in_short,
        lateness,
        linked,
        marked,
        moment,
        moment_of,
        pretty,
        query,
        span,
        unbelieved,
        written,
    )
    environment.filters.update({one.__name__: one for one in shown})
    return environment
