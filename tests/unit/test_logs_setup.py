"""Setting up logging, taking it back, and what others do to it meanwhile."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
from functions_framework import execution_id as _execution_id

from badge_bridge.errors import SettingsError
from badge_bridge.observability import logs

execution_id: Any = _execution_id  # it has no types


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    logs.restore()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _messages(stream: io.StringIO) -> list[str]:
    return [line["message"] for line in _lines(stream)]


def _state() -> list[object]:
    names = ["", "badge_bridge", "httpx", "httpcore", "uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error"]
    loggers = [logging.getLogger(name) for name in names]
    return [(logger.name, logger.level, list(logger.handlers), logger.propagate, logger.disabled) for logger in loggers]


def test_configure_writes_one_line_when_called_again() -> None:
    """Configuring twice, with the same or other options, leaves one handler."""
    first, second = io.StringIO(), io.StringIO()
    logs.configure("json", "INFO", stream=first)
    logs.configure("json", "INFO", stream=first)
    logging.getLogger("badge_bridge.x").info("one")
    logs.configure("json", "INFO", stream=second)
    logging.getLogger("badge_bridge.x").info("two")
    assert _messages(first) == ["one"]
    assert _messages(second) == ["two"]


def test_secrets_are_hidden_when_they_become_known_later() -> None:
    """Configured first without secrets and then with them, as at start-up, the same stream has them hidden."""
    stream = io.StringIO()
    log = logging.getLogger("badge_bridge.x")
    logs.configure("json", "INFO", stream=stream)
    log.info("before")
    logs.configure("json", "INFO", stream=stream, secrets=["open sesame"])
    log.info("say open sesame")
    assert _messages(stream) == ["before", "say ***"]


def test_secrets_stay_hidden_when_configured_again_without_them() -> None:
    """A start that is tried again forgets no secret, in no form, until restore."""
    logs.configure("json", "INFO", stream=io.StringIO(), secrets=["open sesame"])
    for log_format in ("json", "console"):
        stream = io.StringIO()
        logs.configure(log_format, "INFO", stream=stream, secrets=["other word"])
        logging.getLogger("badge_bridge.x").info("say open sesame, other word")
        assert "say ***, ***" in stream.getvalue()
    logs.restore()
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    logging.getLogger("badge_bridge.x").info("say open sesame")
    assert _messages(stream) == ["say open sesame"]


def test_configure_keeps_its_handler_when_only_options_change() -> None:
    """Level, phone numbers and secrets change what the handler does, so that an upgrade under way is not lost."""
    stream = io.StringIO()
    log = logging.getLogger("badge_bridge.x")
    logs.configure("gcp", "INFO", stream=stream)
    before = logging.getLogger("badge_bridge").handlers
    logs.configure("gcp", "DEBUG", stream=stream, show_phone_numbers=True)
    log.debug("from +49301234567")
    assert logging.getLogger("badge_bridge").handlers == before
    assert _messages(stream) == ["from +49301234567"]


def test_restore_puts_every_logger_back() -> None:
    """After restore the loggers are as they were, also when configure was called several times."""
    before = _state()
    logs.configure("gcp", "DEBUG", stream=io.StringIO())
    logs.configure("json", "ERROR", stream=io.StringIO())
    assert _state() != before
    logs.restore()
    assert _state() == before


def test_levels_are_the_operators_for_us_and_warning_for_libraries() -> None:
    """The level setting is for the bridge's lines; libraries speak from WARNING on, HTTP clients too."""
    stream = io.StringIO()
    logs.configure("json", "debug", stream=stream)
    for name in ("badge_bridge.x", "httpx", "httpcore.http11", "some.library"):
        logging.getLogger(name).debug("%s debug", name)
        logging.getLogger(name).info("%s info", name)
        logging.getLogger(name).warning("%s warning", name)
    assert _messages(stream) == [
        "badge_bridge.x debug",
        "badge_bridge.x info",
        "badge_bridge.x warning",
        "httpx warning",
        "httpcore.http11 warning",
        "some.library warning",
    ]


def test_server_lines_are_kept_and_access_lines_are_not() -> None:
    """Uvicorn's warnings come through our handler; its access log is off, so that it does not even build the lines."""
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.access").error("GET /hooks/x?token=abc")
    assert _messages(stream) == ["Invalid HTTP request received."]
    assert not logging.getLogger("uvicorn.access").hasHandlers()


def test_a_handler_on_the_root_logger_gets_no_line_of_ours() -> None:
    """Someone else's handler, added later, would write our lines uncleaned; it does not see them."""
    ours, theirs = io.StringIO(), io.StringIO()
    logs.configure("json", "INFO", stream=ours)
    logging.getLogger().addHandler(logging.StreamHandler(theirs))
    logging.getLogger("badge_bridge.x").info("token=abc")
    assert _messages(ours) == ["token=***"]
    assert theirs.getvalue() == ""


def test_configure_takes_back_what_the_functions_framework_set() -> None:
    """The framework's set-up for execution ids disables loggers and adds a root handler; configuring again mends it."""
    stream = io.StringIO()
    log = logging.getLogger("badge_bridge.some.module")
    logs.configure("json", "INFO", stream=stream)
    logging.config.dictConfig(
        {
            "version": 1,
            "handlers": {"asgi": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
            "root": {"level": "WARNING", "handlers": ["asgi"]},
        }
    )
    log.info("lost: this is why configure is called again")
    logs.configure("json", "INFO", stream=stream)
    log.info("ours")
    logging.getLogger("library").warning("theirs")
    assert _messages(stream) == ["ours", "theirs"]


def test_configure_takes_back_the_loggers_that_a_gunicorn_worker_set() -> None:
    """Gunicorn's worker gives its own handlers to uvicorn's logger, as one shared list; both loggers become ours."""
    stream, theirs = io.StringIO(), io.StringIO()
    shared: list[logging.Handler] = [logging.StreamHandler(theirs)]
    for name in ("gunicorn.error", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = shared, False
    try:
        logs.configure("json", "INFO", stream=stream)
        logging.getLogger("uvicorn.error").error("broken")
        assert _messages(stream) == ["broken"]
        assert theirs.getvalue() == ""
        assert len(shared) == 1
    finally:
        logs.restore()
        for name in ("gunicorn.error", "uvicorn.error"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [], True


def test_lines_go_to_standard_error_of_the_moment() -> None:
    """Where sys.stderr is exchanged after configure, lines follow it; standard output stays clean."""
    out, err = io.StringIO(), io.StringIO()
    logs.configure("json", "INFO")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        logging.getLogger("badge_bridge.x").info("here")
    assert _messages(err) == ["here"]
    assert out.getvalue() == ""


def test_lines_carry_the_execution_id_when_the_functions_framework_adds_it() -> None:
    """The framework's stream adds its label to our line, which stays one JSON object."""
    err = io.StringIO()
    logs.configure("gcp", "INFO")
    token = execution_id.execution_context_var.set(execution_id.ExecutionContext("exec-1"))
    try:
        with contextlib.redirect_stderr(execution_id.LoggingHandlerAddExecutionId(err)):
            logging.getLogger("badge_bridge.x").info("here")
    finally:
        execution_id.execution_context_var.reset(token)
    (line,) = _lines(err)
    assert line["message"] == "here"
    assert line["logging.googleapis.com/labels"] == {"python_logger": "badge_bridge.x", "execution_id": "exec-1"}


@pytest.mark.parametrize("level", ["LOUD", "", "10"])
def test_configure_refuses_a_level_that_does_not_exist(level: str) -> None:
    """A wrong level is a settings error that says which ones there are."""
    with pytest.raises(SettingsError, match="use DEBUG, INFO, WARNING"):
        logs.configure("json", level)


def test_configure_refuses_a_format_that_does_not_exist() -> None:
    """A wrong form is a settings error that says which ones there are."""
    with pytest.raises(SettingsError, match="use console, json or gcp"):
        logs.configure("xml", "INFO")  # type: ignore[arg-type] # the mistake under test


def test_logging_goes_on_when_the_stream_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed stream neither raises into the caller nor prints the record elsewhere."""
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    stream.close()
    logging.getLogger("badge_bridge.x").info("secret %s", "word")
    assert capsys.readouterr() == ("", "")


def test_logging_goes_on_when_a_line_cannot_be_made() -> None:
    """Arguments that do not fit, or an object that cannot be shown, cost neither the line nor the caller."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("token=abc")

    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    log = logging.getLogger("badge_bridge.x")
    log.info("a %d", "token=abc")
    log.info("b %s", Broken())
    log.info(Broken())
    first, second, third = _messages(stream)
    assert first == "(arguments do not fit this message) a %d"
    assert second == "(arguments do not fit this message) b %s"
    assert third == "a line of badge_bridge.x could not be written: RuntimeError"
