"""What systemd hears of a service, by a socket that a test has in its place."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from badge_bridge.service_manager import ServiceManager


class Ended(Exception):
    """Enough was waited for."""


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def words(heard: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(heard.recv(100).decode())
        except BlockingIOError:
            return found


def manager(heard: socket.socket, **more: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": heard.getsockname(), **more}, pid=7)


def test_start_and_stop_are_told(heard: socket.socket) -> None:
    """In the words of sd_notify(3), a datagram each."""
    told = manager(heard)
    told.started()
    told.stopping()
    assert words(heard) == ["READY=1", "STOPPING=1"]


def test_socket_without_a_file_is_found() -> None:
    """An @ is written for the zero byte that its name begins with."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # the kernel chooses a name
        name: bytes = listener.getsockname()
        assert name[:1] == b"\0"
        ServiceManager({"NOTIFY_SOCKET": "@" + name[1:].decode()}).started()
        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("pid", ["", "7"])
async def test_signs_of_life_are_given_while_it_lives(heard: socket.socket, pid: str) -> None:
    """Three times as often as they are wanted, and none when the worker stands still."""
    alive = iter([True, True, False, True])
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            raise Ended

    told = manager(heard, WATCHDOG_USEC="60000000", **({"WATCHDOG_PID": pid} if pid else {}))
    with pytest.raises(Ended):
        await told.hear_signs_of_life(lambda: next(alive), sleep=sleep)

    assert waits == [20.0] * 4
    assert words(heard) == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}],
)
async def test_no_sign_of_life_is_given_when_nobody_wants_one(heard: socket.socket, environ: dict[str, str]) -> None:
    """Or when it is another process that is to give them."""
    await manager(heard, **environ).hear_signs_of_life(lambda: True)
    assert words(heard) == []


async def test_nothing_is_said_when_there_is_no_service_manager(caplog: pytest.LogCaptureFixture) -> None:
    """As on a terminal or in a container."""
    told = ServiceManager({"WATCHDOG_USEC": "60000000"})
    told.started()
    await told.hear_signs_of_life(lambda: True)
    told.stopping()
    assert caplog.messages == []


def test_service_goes_on_when_its_manager_cannot_be_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A line in the log says so; it is killed for that, if at all, by who has not heard it."""
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).started()
    (said,) = caplog.messages
    assert said.startswith("the service manager could not be told READY=1:")
