"""What a portal's answer means: a result, or one of our errors by the portal's own code.

Codes mix upper and lower case, may be digits, a sentence or empty, and may ride on HTTP 200; two meanings share the
status 503. So an answer is judged by its code, and by its status only where the code says nothing (Bitrix24 docs,
"System errors", "Limits").
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from badge_bridge.errors import AccessRefused, CallRefused, LimitReached, OutcomeUnknown, PortalError
from badge_bridge.portal.codes import ASK_FOR_CRM_ADMIN, ASK_FOR_PLAN, ASK_FOR_STATISTICS, CODES, STATISTICS, Meaning
from badge_bridge.portal.credentials import Credential
from badge_bridge.portal.wire import Answer

__all__ = ["Reply", "read", "read_share"]

_ADMIN_METHODS = frozenset({"crm.activity.badge.add", "crm.activity.badge.delete"})
_LONG_NUMBER = re.compile(r"\d(?:[\s().-]{0,2}\d){6,}")
_DIGITS = 40
"""More than any integer of a portal has: 64 bits take 20."""
_NEVER = 1e11
"""Unix seconds, some 3,000 years ahead: no moment that a portal means."""
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


_ADDS = frozenset({"crm.activity.configurable.add", "crm.item.add"})
"""What must not be done twice, and has codes of its own for everything that it refuses."""

_CATCH_ALL = frozenset({"", "error_core"})

_REFUSED_BY_ANYONE = frozenset({401, 403, 429})
"""What these mean does not depend on who answers, the portal or something on the way to it. Another 4xx without an
error of REST is no refusal: a maintenance page says 404 to a call that the portal would carry out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer.

    `operating_reset_at` (unix seconds) is when the method's oldest use is forgotten; `next` is where the next page of
    a list begins, `total` how many rows it has in all.
    """

    result: Any
    operating_reset_at: float | None
    next: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class _Fault:
    """The error object of an answer, made safe to show."""

    status: int
    code: str
    description: str

    def __str__(self) -> str:
        named = self.code or "an error without a code"
        return f"{named} (HTTP {self.status})" + (f", {self.description!r}" if self.description else "")


def read(answer: Answer, *, portal: str, method: str, credential: Credential) -> Reply:
    """The reply in an answer, or the error that it stands for.

    Raises:
        OutcomeUnknown: the answer does not tell whether the call was carried out.
        LimitReached, AccessRefused, NotFound, CallRefused: refused; not carried out.
    """
    if 300 <= answer.status < 400:
        raise _redirected(answer, portal, method, credential)
    content = _parse(answer.body)
    if content is None and answer.status == 429:
        content = {}  # whoever counts calls on the way to the portal need not speak JSON
    if content is None:
        raise _unreadable(answer, portal, method)
    if answer.status < 300 and _succeeded(content):
        return _reply(content)
    if _names_error(content):
        raise _refusal(_fault(answer.status, content, credential), portal, method)
    if answer.status in _REFUSED_BY_ANYONE:
        raise _refusal(_Fault(answer.status, "", ""), portal, method)
    raise _unreadable(answer, portal, method)


def read_share(share: Mapping[str, Any] | None, *, portal: str, method: str, credential: Credential) -> Reply:
    """The reply to one command of a batch, or its error; `share` is what the batch says about it, None for nothing.

    Raises:
        as `read`. A batch answers with HTTP 200 even where every command failed.
    """
    if share is not None and _succeeded(share):
        return _reply(share)
    if share is not None and _names_error(share):
        fault = _fault(200, share, credential)
        if method in _ADDS and _says_nothing(fault.code):
            raise OutcomeUnknown(
                f"portal {portal}: {method} was answered with {fault}, which does not say that nothing was added",
                portal=portal,
                method=method,
                code=fault.code,
                status=200,
                description=fault.description,
            )
        raise _refusal(fault, portal, method)
    raise OutcomeUnknown(
        f"portal {portal}: {method}: the answer to its batch does not say what became of it; whether it was carried "
        "out is not known",
        portal=portal,
        method=method,
        code="no answer in batch",
        status=200,
    )


def _says_nothing(code: str) -> bool:
    """Whether a code of a command in a batch may be that of a portal that failed: there is no status that tells."""
    return code.casefold() in _CATCH_ALL or code.casefold() not in CODES


def _succeeded(content: Mapping[str, Any]) -> bool:
    return "result" in content and not content.get("error")


def _reply(content: Mapping[str, Any]) -> Reply:
    return Reply(
        content["result"],
        _operating_reset_at(content.get("time")),
        next=_whole(content.get("next")),
        total=_whole(content.get("total")),
    )


def _whole(value: object) -> int | None:
    """A number of rows; PHP may write it as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _parse(body: bytes) -> Mapping[str, Any] | None:
    """The JSON object in a body; None for HTML, nothing, JSON of another shape, or numbers that are none."""
    try:
        content = json.loads(body, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # NaN and Infinity, which are not JSON, or 1e999
        raise ValueError("a number that is not finite")
    return number


def _names_error(content: Mapping[str, Any]) -> bool:
    """Whether the error is one of REST: a code, which may be empty or digits, or the object of REST 3.0.

    Gateways and maintenance pages speak JSON as well: `{"message": ...}`, or `{"error": true, ...}`.
    """
    error = content.get("error")
    return isinstance(error, str | int | Mapping) and not isinstance(error, bool)


def _fault(status: int, content: Mapping[str, Any], credential: Credential) -> _Fault:
    error, description = content["error"], content.get("error_description", "")
    if isinstance(error, Mapping):  # the shape of REST 3.0
        error, description = error.get("code", ""), error.get("message", "")
    return _Fault(status, _plain(error, credential)[:80], _plain(description, credential)[:300])


def _plain(text: object, credential: Credential) -> str:
    """Text of the portal on one line, without our secret and without anything that may be a phone number.

    Empty where the portal sends a list or an object instead of text.
    """
    one_line = " ".join(str(text).split()) if isinstance(text, str | int) else ""
    return _LONG_NUMBER.sub("*******", one_line.replace(credential.secret, "***"))


def _refusal(fault: _Fault, portal: str, method: str) -> PortalError:
    meaning = CODES.get(fault.code.casefold()) or _by_status(fault.status)
    mend = _mend(fault, meaning, method).format(portal=portal, scope=_scope(method))
    if meaning.error is AccessRefused:
        return AccessRefused(
            f"portal {portal}: {method} was refused with {fault}: {meaning.says}. {mend}",
            portal=portal,
            method=method,
            code=fault.code,
            status=fault.status,
            mend=mend,
            description=fault.description,
        )
    return meaning.error(
        f"portal {portal}: {method} was answered with {fault}: {meaning.says}" + (f". {mend}" if mend else ""),
        portal=portal,
        method=method,
        code=fault.code,
        status=fault.status,
        description=fault.description,
    )


def _mend(fault: _Fault, meaning: Meaning, method: str) -> str:
    """The same code means a missing right of the user, or a plan without REST (Bitrix24 docs, "System errors")."""
    if fault.code.casefold() != "access_denied":
        return meaning.mend
    if "commercial plan" in fault.description.casefold():
        return ASK_FOR_PLAN
    if method == STATISTICS:
        return ASK_FOR_STATISTICS
    return ASK_FOR_CRM_ADMIN if method in _ADMIN_METHODS else meaning.mend


def _scope(method: str) -> str:
    """The permission that a method needs: the first part of its name, with one exception."""
    scope = method.split(".", 1)[0]
    return "telephony" if scope == "voximplant" else scope


def _by_status(status: int) -> Meaning:
    """What an unknown code means."""
    if status == 401:
        return Meaning(AccessRefused, "the credential is not accepted", CODES["no_auth_found"].mend)
    if status == 403:
        return Meaning(AccessRefused, "access is denied", CODES["access_denied"].mend)
    if status == 429:
        return Meaning(LimitReached, "too many calls")
    if status >= 500 or status == 408:
        return Meaning(OutcomeUnknown, "the portal failed; whether the call was carried out is not known")
    return Meaning(CallRefused, "the portal refuses this call", CODES["error_core"].mend)


def _unreadable(answer: Answer, portal: str, method: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"portal {portal}: {method} was answered with HTTP {answer.status} and no REST answer; whether it was carried "
        "out is not known. If this stays so, check that the portal's address in the rules file is right",
        portal=portal,
        method=method,
        code="no REST answer" if answer.status < 400 else f"HTTP {answer.status}",
        status=answer.status,
    )


def _redirected(answer: Answer, portal: str, method: str, credential: Credential) -> AccessRefused:
    """A renamed portal redirects from its old host (Bitrix24 docs, "How to call REST"); nothing was sent there."""
    host = _host_of(answer.location)
    if host and host != credential.host:
        what = f"the portal redirects to {host}, it may have been renamed"
        mend = (
            f"Nothing was sent there. If {host} is your portal's new address, write it instead of {credential.host} at "
            f"portals.{portal} in the rules file, or in the variable named there, and restart the bridge."
        )
    else:
        what = "the portal redirects, so this is not its REST address"
        mend = (
            f"Check the address at portals.{portal} in the rules file, or in the variable named there, and restart the "
            "bridge."
        )
    return AccessRefused(
        f"portal {portal}: {method} was not carried out: {what} (HTTP {answer.status}). {mend}",
        portal=portal,
        method=method,
        code="redirected",
        status=answer.status,
        mend=mend,
    )


def _host_of(location: str) -> str:
    try:
        host = urlsplit(location).netloc.lower()
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""


def _operating_reset_at(time: object) -> float | None:
    """Unix seconds; one sample of the documentation shows a date instead, which is not worth guessing at."""
    value = time.get("operating_reset_at") if isinstance(time, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _NEVER else None
