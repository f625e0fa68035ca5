"""Every error that the bridge raises on purpose.

    BridgeError
    ├── SettingsError                 the process environment
    ├── RulesError                    the rules file; carries every finding with its position
    ├── EarlierRulesUnusable          the rules file that an event was redriven with cannot judge it any more
    ├── DeliveryRefused               one delivery; carries the HTTP status
    │   ├── UnknownSource             404
    │   ├── MethodNotAllowed          405
    │   ├── BodyTooSlow               408
    │   ├── BodyTooLarge              413
    │   ├── UnsupportedMediaType      415
    │   ├── Unauthenticated           401, never explained to the sender
    │   │   └── OutsideWindow             401, signed rightly, but not now
    │   ├── Malformed                 400, the body cannot be parsed
    │   └── Impossible                422, parsed, but a field makes no sense
    ├── StoreUnavailable              503 to a provider; nothing was stored
    ├── GoogleError                   one call to an API of Google Cloud; carries its status
    ├── InDoubt                       it cannot be known before a time whether something was done
    ├── LeaseLost                     an attempt has no lease on its event any more, and writes nothing
    └── PortalError                   one call to the portal
        ├── PortalPaused              the lane is paused until a time; this call was not sent, or was the reason
        │   └── OutcomeUnknownAndPaused   this call was the reason, and an OutcomeUnknown as well
        ├── PortalUnreachable         not sent: no connection
        ├── OutcomeUnknown            sent, but nobody knows whether it was carried out
        ├── LimitReached              refused before it was carried out, because of a limit
        ├── AccessRefused             a right, a scope or a credential is missing
        ├── NotFound                  the thing does not exist
        └── CallRefused               refused for good: the call itself is wrong

Some are defined where they belong: `SampleNotSent` in `signing.py`, `NotADelivery` in `delivery_files.py`,
`SandboxError` in the sandbox, `NotSent` in `retry.py`, `Stopping` in `serverless/processing.py`, `NoSample` in
`sources/base.py`, `SecretUnusable` and `ObjectUnusable` in `gcp`, `NoRoomForBody` (503) in `body_budget.py`,
`WrongEncryptionKey` and `InstallationBusy` (503) in `portal/oauth`, `BackupFailed` and its `Stopped` in
`store/sqlite/contents.py`, `Busy` in `console/apart.py`, each a `BridgeError`; `WrongFilter` and `SeveralKeys`, each a
`SettingsError`, in `filters.py`; `NoCredential`, an `AccessRefused`, in `portal/keyring.py`; `OwnerGone`, a `NotFound`,
in `portal/activities.py`; `NotOurs` in `serverless/envelope.py`, and `CelError` and `EvaluationError` in `cel`, each a
`ValueError`, since what has no good value there is a body or an expression.

A message is read in a log by somebody who knows neither the code nor the moment: it names the portal, source or file
first, then the trouble, then the remedy where a person has to act. Which errors are tried again, and when, is decided
in `retry.py` and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "AccessRefused",
    "BodyTooLarge",
    "BodyTooSlow",
    "BridgeError",
    "CallRefused",
    "DeliveryRefused",
    "EarlierRulesUnusable",
    "Excerpt",
    "Finding",
    "GoogleError",
    "Impossible",
    "InDoubt",
    "LeaseLost",
    "LimitReached",
    "Malformed",
    "MethodNotAllowed",
    "NotFound",
    "OutcomeUnknown",
    "OutcomeUnknownAndPaused",
    "OutsideWindow",
    "PortalError",
    "PortalPaused",
    "PortalUnreachable",
    "RulesError",
    "SettingsError",
    "Severity",
    "StoreUnavailable",
    "Unauthenticated",
    "UnknownSource",
    "UnsupportedMediaType",
]


class BridgeError(Exception):
    """Base of all errors of the bridge."""


class SettingsError(BridgeError):
    """A setting in the environment is missing or cannot be understood."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The line of a rules file that a finding is about, as it may be shown: without the secrets in it."""

    text: str
    start: int
    """Where in the text what is meant begins, counted from 0, and where it ends; at least one character."""
    end: int


# The first semicolon that does not stand in a name in quotes, which can be anything.
_HALVES = re.compile(r"(?:(?>(?<!\w)'.*?'(?!\w)|.))+?; (?P<help>.+)", re.DOTALL)


Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing to say of a rules file: an error, with which it cannot be used, a warning of what is probably not
    meant, or a note of what its author should know and need not be able to change.

    Line and column count from 1; 0 means that no position is known. Two findings are one where they say the same of
    the same place.
    """

    file: str
    line: int
    column: int
    message: str
    """`what is wrong; what to write instead`."""
    code: str = field(default="", compare=False)
    """The kind of it: a short name that stays the same (`rulesfile.codes`)."""
    severity: Severity = field(default="error", compare=False)
    end: int = field(default=0, compare=False)
    """The column behind what is meant, in the same line; 0 where that is not known."""
    excerpt: Excerpt | None = field(default=None, compare=False, repr=False)

    @property
    def help(self) -> str:
        """What to write instead: the second half of the message, empty where it has none."""
        halves = _HALVES.fullmatch(self.message)
        return halves["help"] if halves else ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {'' if self.severity == 'error' else f'{self.severity}: '}{self.message}"


class RulesError(BridgeError):
    """The rules file cannot be used. `findings` has every mistake, in the order of the file."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(findings))
        super().__init__("\n".join(str(finding) for finding in self.findings))


class EarlierRulesUnusable(BridgeError):
    """An event was redriven with a rules file of before that is not kept, has mistakes for this version, or names a
    portal that is not there any more. `trouble` and `remedy` are clauses.
    """

    def __init__(self, trouble: str, remedy: str = "") -> None:
        super().__init__(f"{trouble}; {f'{remedy}, or ' if remedy else ''}redrive the event with the rules of now")


class DeliveryRefused(BridgeError):
    """A delivery is not accepted. `status` is what the sender gets, `reason` what he is told, `field` where."""

    status = 400

    def __init__(self, reason: str, *, field: str = "") -> None:
        self.reason = reason
        self.field = field
        super().__init__(f"{field}: {reason}" if field else reason)


class UnknownSource(DeliveryRefused):
    status = 404


class MethodNotAllowed(DeliveryRefused):
    """`allowed` are the methods that the source takes."""

    status = 405

    def __init__(self, reason: str, *, allowed: Collection[str]) -> None:
        self.allowed = tuple(sorted(allowed))
        super().__init__(reason)


class BodyTooSlow(DeliveryRefused):
    status = 408


class BodyTooLarge(DeliveryRefused):
    status = 413


class UnsupportedMediaType(DeliveryRefused):
    status = 415


class Unauthenticated(DeliveryRefused):
    """The signature or token is missing or wrong. The reason is for our log only; the sender gets an empty body."""

    status = 401


class OutsideWindow(Unauthenticated):
    """The signature or token is right, and of another time than now: a clock is wrong, here or there, or somebody has
    recorded a delivery and sends it again. Told apart for our log and metrics; the answer is the same.
    """

    def __init__(self, told: str) -> None:
        super().__init__(f"{told}. Either a clock is wrong, here or there, or it was recorded and sent again")


class Malformed(DeliveryRefused):
    status = 400


class Impossible(DeliveryRefused):
    status = 422


class StoreUnavailable(BridgeError):
    """The store cannot write or read now (disk full, locked, closed). Nothing was stored."""


class GoogleError(BridgeError):
    """A call to an API of Google Cloud failed. `code` is the HTTP status, 0 where there was no answer; `status` is
    Google's word for it, such as ALREADY_EXISTS.
    """

    def __init__(self, code: int, status: str, message: str) -> None:
        self.code = code
        self.status = status
        self.message = message
        super().__init__(f"{status}: {message}" if message else status)


class InDoubt(BridgeError):
    """Whether something was done cannot be known before `until` (unix seconds)."""

    def __init__(self, message: str, *, until: float) -> None:
        self.until = until
        super().__init__(message)


class LeaseLost(BridgeError):
    """The event is somebody else's by now, or was erased: whoever works on it stops, and its new holder decides."""


class PortalError(BridgeError):
    """A call to the portal did not succeed.

    `code` is the portal's own error code, in the portal's spelling (it may be empty, digits or a sentence:
    Bitrix24 does all three), or a word of ours where there was no such answer (`timeout`, `no connection`, ...);
    `status` is the HTTP status, 0 where there was no answer; `description` is what the portal says of it in its own
    words, made safe to show, and mostly empty.
    """

    def __init__(
        self, message: str, *, portal: str, method: str, code: str = "", status: int = 0, description: str = ""
    ) -> None:
        self.portal = portal
        self.method = method
        self.code = code
        self.status = status
        self.description = description
        super().__init__(message)


class PortalPaused(PortalError):
    """`lane` is paused until `until` (unix seconds).

    Without a `__cause__` the call was not sent. With one, the answer to this call was the reason; where that is an
    `OutcomeUnknown`, this error is one as well (`OutcomeUnknownAndPaused`).
    """

    def __init__(self, message: str, *, portal: str, method: str, lane: str, until: float) -> None:
        self.lane = lane
        self.until = until
        super().__init__(message, portal=portal, method=method)


class PortalUnreachable(PortalError):
    """No connection could be made; the call was not sent."""


class OutcomeUnknown(PortalError):
    """The call was sent and may or may not have been carried out."""

    @property
    def is_over(self) -> bool:
        """Whether the portal itself has answered, so that it is not working on the call any more.

        Other 5xx than 500, and 408, are what a gateway says that has lost patience with the portal.
        """
        return 0 < self.status <= 500 and self.status != 408


class OutcomeUnknownAndPaused(PortalPaused, OutcomeUnknown):
    """The call was sent and may have been carried out, and so many were lost that its lane is paused now.

    It waits like any `PortalPaused`, and must be looked up before it is sent again like any `OutcomeUnknown`.
    """


class LimitReached(PortalError):
    """The portal refused the call before carrying it out, because of one of its limits."""


class AccessRefused(PortalError):
    """The credential, its user or its scope does not allow the call; `mend` says who must change what."""

    def __init__(
        self, message: str, *, portal: str, method: str, code: str, status: int, mend: str, description: str = ""
    ) -> None:
        self.mend = mend
        super().__init__(message, portal=portal, method=method, code=code, status=status, description=description)


class NotFound(PortalError):
    """The portal has no such thing."""


class CallRefused(PortalError):
    """The portal refuses this call for good; the same call will not succeed later."""
