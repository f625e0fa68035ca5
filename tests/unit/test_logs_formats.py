"""Lines for a terminal and lines of plain JSON."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from badge_bridge.observability import logs

TIME = re.compile(r"\d\d:\d\d:\d\d\.\d{3} ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    yield
    logs.restore()


def _fail(text: str, *, cause: Exception | None = None) -> None:
    raise ValueError(text) from cause


def _log() -> logging.Logger:
    return logging.getLogger("badge_bridge.x")


def test_console_shows_time_level_message_and_fields() -> None:
    """A line has the time, the level and the message, and the simple fields in one column."""
    stream = io.StringIO()
    logs.configure("console", "INFO", stream=stream)
    _log().info("short", extra={"json_fields": {"n": 1, "who": "a b", "list": [1]}})
    _log().warning("a longer message", extra={"json_fields": {"n": None}})
    first, second = stream.getvalue().splitlines()
    assert TIME.sub("", first) == f'INFO     {"short":<72}  n=1 who="a b"'
    assert TIME.sub("", second) == f"WARNING  {'a longer message':<72}  n=null"
    assert TIME.match(first)


def test_console_shows_the_fields_that_a_record_chooses() -> None:
    """A record says which of its fields are worth a person's attention, in which order, and how they are put in short."""
    stream = io.StringIO()
    logs.configure("console", "INFO", stream=stream)
    chosen = {"c": None, "b": None, "d": len, "missing": len}
    _log().info("m", extra={"json_fields": {"a": 1, "b": [2], "c": 3, "d": [4, 5]}, "console_fields": chosen})
    assert stream.getvalue().split("  ")[-1].strip() == "c=3 b=[2] d=2"


def test_console_names_the_logger_when_it_is_not_ours() -> None:
    """Lines of libraries say whose they are."""
    stream = io.StringIO()
    logs.configure("console", "INFO", stream=stream)
    logging.getLogger("uvicorn.error").warning("Odd")
    assert TIME.sub("", stream.getvalue()) == "WARNING  uvicorn.error: Odd\n"


def test_console_keeps_a_line_a_line_when_values_have_line_breaks() -> None:
    """Nothing in a message, a name, a value or an exception can look like a line of its own."""
    stream = io.StringIO()
    logs.configure("console", "INFO", stream=stream)
    evil = "x\n10:00:00.000 INFO     forged\r\x1b[2K\u2028\x85y"
    try:
        _fail(evil)
    except ValueError:
        _log().exception("m %s", evil, extra={"json_fields": {"n": evil, f"k{evil}": 1}})
    first, *others = stream.getvalue().splitlines()
    assert first.count("forged") == 3
    assert all(line.startswith("  | ") for line in others)
    assert others[-2:] == ["  | 10:00:00.000 INFO     forged\\x0d\\x1b[2K\\u2028\\x85y"] or others[-1].endswith(
        "\\x85y"
    )
    assert "\x1b" not in stream.getvalue()


def test_console_uses_colour_on_a_terminal() -> None:
    """On a terminal the level is coloured."""
    stream = Terminal()
    logs.configure("console", "INFO", stream=stream)
    _log().error("m")
    assert "\x1b[31mERROR   \x1b[0m m" in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_console_uses_no_colour_when_told_so(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """NO_COLOR and a dumb terminal turn colour off."""
    monkeypatch.setenv(name, value)
    stream = Terminal()
    logs.configure("console", "INFO", stream=stream)
    _log().error("m")
    assert "\x1b" not in stream.getvalue()


def test_console_uses_no_colour_when_it_is_not_a_terminal() -> None:
    """Lines that are piped or written to a file are plain."""
    stream = io.StringIO()
    logs.configure("console", "INFO", stream=stream)
    _log().error("m")
    assert "\x1b" not in stream.getvalue()


def test_json_has_time_level_logger_message_and_fields() -> None:
    """Each line is one JSON object; the record's fields stand beside the four that every line has."""
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    _log().info("grüße %d%%", 5, extra={"json_fields": {"n": 1, "deep": {"a": [True, None]}}})
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "INFO",
        "logger": "badge_bridge.x",
        "message": "grüße 5%",
        "n": 1,
        "deep": {"a": [True, None]},
    }


def test_json_keeps_its_own_fields_when_a_record_has_the_same() -> None:
    """A field cannot pass itself off as the level or the message."""
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    _log().info("real", extra={"json_fields": {"message": "false", "level": "DEBUG", "logger": "x", "time": "never"}})
    line = json.loads(stream.getvalue())
    assert (line["message"], line["level"], line["logger"]) == ("real", "INFO", "badge_bridge.x")
    assert line["time"] != "never"


@pytest.mark.parametrize("log_format", ["json", "gcp"])
def test_json_stays_one_valid_line_when_values_are_hostile(log_format: logs.LogFormat) -> None:
    """Line breaks, separators, surrogates, NaN and objects make neither a second line nor invalid JSON."""
    stream = io.StringIO()
    logs.configure(log_format, "INFO", stream=stream)
    evil = 'x\n{"severity":"CRITICAL"}\r\u2028\x85\ud800"'
    _log().info("%s", evil, extra={"json_fields": {"e": evil, "nan": float("nan"), "o": object, evil: evil}})
    text = stream.getvalue()
    text.encode()
    assert len(text.splitlines()) == 1

    def refuse(name: str) -> None:
        raise AssertionError(name)

    line = json.loads(text, parse_constant=refuse)
    assert line["nan"] == "nan"
    assert line.get("level", line.get("severity")) == "INFO"


def test_json_has_the_exception_apart() -> None:
    """An exception, with its cause and the stack if asked for, is one field."""
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    try:
        _fail("outer", cause=KeyError("inner"))
    except ValueError:
        _log().exception("failed", stack_info=True)
    line = json.loads(stream.getvalue())
    assert line["message"] == "failed"
    assert "KeyError: 'inner'" in line["exception"]
    assert "ValueError: outer\nStack (most recent call last)" in line["exception"]


def test_the_record_itself_stays_as_it_is() -> None:
    """Handlers of others see the record unchanged: cleaning works on a copy."""
    logs.configure("json", "INFO", stream=io.StringIO())
    seen: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    keeper = Keeper()
    _log().addHandler(keeper)
    try:
        _log().info("token=%s", "abc", extra={"json_fields": {"caller": "+49301234567"}})
    finally:
        _log().removeHandler(keeper)
    assert seen[0].getMessage() == "token=abc"
    assert seen[0].__dict__["json_fields"] == {"caller": "+49301234567"}
