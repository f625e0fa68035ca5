"""The process environment, read once and frozen.

`SETTINGS` describes every variable that is read here, `ELSEWHERE` the others; the README's table is checked against
them by a test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, cast, get_args

from badge_bridge import secret_references
from badge_bridge.errors import SettingsError
from badge_bridge.misplaced import repeated

__all__ = ["ELSEWHERE", "SETTINGS", "Address", "LogFormat", "Setting", "Settings", "encryption_keys"]

LogFormat = Literal["gcp", "json", "console"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_MAX_CONCURRENCY = 2_000
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_LISTEN = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>[0-9]{1,5})")
_TOKEN = re.compile(r"[\x21-\x7e]{16,}")
_URL = re.compile(r"https?://[^\s/?#@]+")
_FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


ADMIN = Address("127.0.0.1", 8081)


class Setting(NamedTuple):
    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting("RULES", "rules.yaml", "Path of the rules file, or an object of Cloud Storage: `gs://BUCKET/OBJECT`, or with `#GENERATION` one version of it."),  # noqa: E501 - one row of a table
    Setting("STATE", "sqlite:///badge-bridge.db", "Where events are kept: `sqlite:///relative/path`, `sqlite:////absolute/path`, `firestore://PROJECT/DATABASE`, or `memory:` for tests."),  # noqa: E501 - one row of a table
    Setting("DISPATCH", "local", "For a function: who works on what `receive` has stored. `local`: the process that has; `pubsub://PROJECT/TOPIC`: the function `process`, to which Pub/Sub pushes."),  # noqa: E501 - one row of a table
    Setting("INVOKERS", "", "E-mail addresses of service accounts, comma separated: `process` and `sweep` take calls with an identity token of one of them only. Without it the platform alone decides who may call."),  # noqa: E501 - one row of a table
    Setting("INVOKER_AUDIENCE", "", "With `INVOKERS`: whom these tokens are made for, as the push subscription and Cloud Scheduler are told."),  # noqa: E501 - one row of a table
    Setting("ADMIN", f"{ADMIN.host}:{ADMIN.port}", "Where `serve` has `/metrics` and `/console`: `HOST:PORT`, `same` (beside the deliveries) or `off`."),  # noqa: E501 - one row of a table
    Setting("ADMIN_URL", "", "The address by which operators reach these pages, where it is another one, such as `https://bridge-admin.example.com` of a TLS proxy; its host may be asked for `/metrics` too."),  # noqa: E501 - one row of a table
    Setting("METRICS_TOKEN", "", "At least 16 characters without blanks: `/metrics` is told only to who sends them as `Authorization: Bearer`."),  # noqa: E501 - one row of a table
    Setting("LOG_FORMAT", "auto", "`console` (lines for a person), `json`, or `gcp` (Google Cloud Logging). `auto`: `gcp` under the functions framework, `console` in a terminal, else `json`."),  # noqa: E501 - one row of a table
    Setting("LOG_LEVEL", "INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`."),
    Setting("SHOW_PHONE_NUMBERS", "no", "`yes` writes full phone numbers into logs instead of `+49*******67`."),
    Setting("CONCURRENCY", "256", "How many events are worked on side by side in one process."),
    Setting("ENCRYPTION_KEY", "", "Fernet keys, or references to them (`sm://NAME`), comma separated, first encrypts; needed by an OAuth application. `badge-bridge key` prints one."),  # noqa: E501 - one row of a table
)  # fmt: skip

ELSEWHERE = (
    Setting("GOOGLE_CLOUD_PROJECT", "", "The project of secrets that are written as `sm://NAME`; with `LOG_FORMAT=gcp` also that of the traces, so that log lines are shown beside them."),  # noqa: E501 - one row of a table
    Setting("STORAGE_EMULATOR_HOST", "", "Where `gs://` is read instead of from Google, without a token, such as `127.0.0.1:9199`."),  # noqa: E501 - one row of a table
    Setting("SECRET_MANAGER_EMULATOR_HOST", "", "Where `sm://` is read instead of from Google, without a token; it answers as Secret Manager's REST API."),  # noqa: E501 - one row of a table
    Setting("FIRESTORE_EMULATOR_HOST", "", "Where `firestore://` is instead of at Google, such as `127.0.0.1:8080`, without rights."),  # noqa: E501 - one row of a table
    Setting("PUBSUB_EMULATOR_HOST", "", "Where `pubsub://` is instead of at Google, such as `127.0.0.1:8085`, without a token."),  # noqa: E501 - one row of a table
    Setting("NO_COLOR", "", "Anything: no colours in a terminal."),
    Setting("SSL_CERT_FILE", "", "A file with the authorities that are trusted instead of the usual ones, for an on-premise portal with a certificate of your own; or `SSL_CERT_DIR`, a folder."),  # noqa: E501 - one row of a table
    Setting("HTTPS_PROXY", "", "The proxy that calls to portals take, such as `http://proxy.example.com:3128`; `NO_PROXY` lists hosts that are called without it."),  # noqa: E501 - one row of a table
)  # fmt: skip
"""What is read where it is needed, by this package or by the libraries under it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. `log_format` None means: the caller decides by where it runs."""

    rules: str
    """A path, or `gs://BUCKET/OBJECT`, or with `#GENERATION` one version of it."""
    state: str
    log_format: LogFormat | None
    log_level: LogLevel
    show_phone_numbers: bool
    concurrency: int
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    """What tokens are stored with (`portal/oauth/cipher.py`); references, until `configuration.py` has read them."""
    dispatch: str = "local"
    invokers: tuple[str, ...] = ()
    """In lower case."""
    invoker_audience: str = ""
    admin: Address | Literal["same"] | None = ADMIN
    """Where `/metrics` and `/console` are; None for nowhere."""
    admin_url: str = ""
    """Without a slash at the end; empty where they are reached at `admin`."""
    metrics_token: str = field(default="", repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read all settings; an empty variable counts as unset.

        Raises:
            SettingsError: names the variable, what it holds and what it may hold.
        """
        values = {setting.name: environ.get(setting.name, "").strip() or setting.default for setting in SETTINGS}
        invokers = _addresses(values, "INVOKERS")
        if bool(invokers) != bool(values["INVOKER_AUDIENCE"]):
            raise SettingsError("INVOKERS and INVOKER_AUDIENCE belong together: set both or neither")
        log_format = _choice(values, "LOG_FORMAT", ("auto", *get_args(LogFormat)))
        return cls(
            rules=values["RULES"],
            state=values["STATE"],
            log_format=None if log_format == "auto" else cast("LogFormat", log_format),
            log_level=cast("LogLevel", _choice(values, "LOG_LEVEL", get_args(LogLevel))),
            show_phone_numbers=_choice(values, "SHOW_PHONE_NUMBERS", ("yes", "no")) == "yes",
            concurrency=_whole_number(values, "CONCURRENCY", 1, _MAX_CONCURRENCY),
            encryption_keys=encryption_keys(values["ENCRYPTION_KEY"]),
            dispatch=values["DISPATCH"],
            invokers=invokers,
            invoker_audience=values["INVOKER_AUDIENCE"],
            admin=_listen(values, "ADMIN"),
            admin_url=_url(values, "ADMIN_URL"),
            metrics_token=_token(values, "METRICS_TOKEN"),
        )


def _choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """The one of `allowed` that is meant, whatever its case."""
    meant = {choice.casefold(): choice for choice in allowed}.get(values[name].casefold())
    if meant is None:
        raise SettingsError(f"{name} is {repeated(values[name])}; it may be {', '.join(allowed)}")
    return meant


def _listen(values: Mapping[str, str], name: str) -> Address | Literal["same"] | None:
    text = values[name]
    if text in {"off", "same"}:
        return "same" if text == "same" else None
    found = _LISTEN.fullmatch(text)
    if found is None or int(found["port"]) > 65_535:
        raise SettingsError(f"{name} is {text!r}; it must be HOST:PORT ([::1]:8081 with IPv6), same or off")
    return Address(found["v6"] or found["host"], int(found["port"]))


def _url(values: Mapping[str, str], name: str) -> str:
    text = values[name].removesuffix("/")
    if text and not _URL.fullmatch(text):
        raise SettingsError(f"{name} is {text!r}; it must be an address without a path, such as https://admin.acme.com")
    return text.lower()


def _token(values: Mapping[str, str], name: str) -> str:
    if values[name] and not _TOKEN.fullmatch(values[name]):
        raise SettingsError(f"{name} must have at least 16 characters, ASCII and without blanks")
    return values[name]


def _addresses(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    addresses = tuple(address.strip().lower() for address in values[name].split(",")) if values[name] else ()
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise SettingsError(f"{name}: {repeated(address)} is no e-mail address of a service account")
    return addresses


def encryption_keys(text: str) -> tuple[str, ...]:
    """The keys of a list; what is no key is not repeated, since it may be one with a letter too many.

    Raises:
        SettingsError: says which of them is neither a key nor a reference to one.
    """
    keys = tuple(key.strip() for key in text.split(",")) if text else ()
    for number, key in enumerate(keys, start=1):
        if key.startswith(secret_references.PREFIX):
            if secret_references.parse(key) is None:
                raise SettingsError(
                    f"ENCRYPTION_KEY: key {number} of {len(keys)} is no reference to a secret in Secret Manager; write "
                    f"{secret_references.FORMS}"
                )
        elif not _FERNET_KEY.fullmatch(key):
            raise SettingsError(
                f"ENCRYPTION_KEY: key {number} of {len(keys)} is not a Fernet key, which is 32 bytes in URL-safe "
                "base64; `badge-bridge key` prints a new one"
            )
    return keys


def _whole_number(values: Mapping[str, str], name: str, low: int, high: int) -> int:
    text = values[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
        raise SettingsError(f"{name} is {repeated(text)}; it must be a whole number from {low} to {high}")
    return int(text)
