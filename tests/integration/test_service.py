"""The README's systemd units are units, start what there is, and allow it what it does."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import typer

from badge_bridge import cli
from badge_bridge.dispatch import local
from badge_bridge.probes import STALLED
from badge_bridge.serving import GRACE
from badge_bridge.settings import ELSEWHERE, SETTINGS
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.schema import MIGRATIONS
from support.deliveries import RULES, environ, pbx, twilio
from support.programs import program, sandbox, send, until
from support.readme_files import README, installed, readme_file

SERVE = "/etc/systemd/system/badge-bridge.service"
BACKUP = "/etc/systemd/system/badge-bridge-backup.service"
TIMER = "/etc/systemd/system/badge-bridge-backup.timer"
PROGRAM = "/opt/badge-bridge/.venv/bin/badge-bridge"


def directives(path: str) -> dict[str, dict[str, list[str]]]:
    """Of each section, what is said and how often: systemd allows a name several times."""
    found: dict[str, dict[str, list[str]]] = {}
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(readme_file(path))
    section = ""
    for line in readme_file(path).splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(section, {}).setdefault(name, []).append(value)
    assert list(found) == parser.sections()
    return found


def environment(path: str) -> dict[str, str]:
    return dict(value.split("=", 1) for value in directives(path)["Service"]["Environment"])


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The README's units, with programs that are here instead of installed ones."""
    folder = tmp_path / "units"
    folder.mkdir()
    for path in (SERVE, BACKUP, TIMER):
        text = readme_file(path)
        if path in {SERVE, BACKUP}:
            text = installed(text, {PROGRAM: shlex.quote(sys.executable) + " -m badge_bridge.cli"})
        (folder / Path(path).name).write_text(text)
    return folder


def analyze(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("path", [SERVE, BACKUP, TIMER])
def test_systemd_takes_the_unit(units: Path, optional_program: Callable[[str], str], path: str) -> None:
    """Each directive is one that it knows, in its section and with a value that it understands."""
    said = analyze(optional_program("systemd-analyze"), "verify", "--man=no", str(units / Path(path).name))
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@pytest.mark.parametrize("path", [SERVE, BACKUP])
def test_service_may_do_little(units: Path, optional_program: Callable[[str], str], path: str) -> None:
    """Of the 10 points of exposure that systemd itself counts; the threshold is in tenths."""
    threshold = "20"
    arguments = ("security", "--offline=true", f"--threshold={threshold}", "--no-pager", str(units / Path(path).name))
    said = analyze(optional_program("systemd-analyze"), *arguments)
    assert said.returncode == 0, said.stdout


def test_command_of_the_unit_is_one_of_the_command_line() -> None:
    """With options that it takes."""
    ((words,),) = [directives(SERVE)["Service"]["ExecStart"]]
    name, *arguments = shlex.split(words)[1:]
    command = typer.main.get_command(cli.app).commands[name]  # type: ignore[attr-defined]
    context = command.make_context(name, arguments)
    assert (context.params["host"], context.params["port"]) == ("127.0.0.1", 8080)


def test_environment_of_the_units_is_that_of_the_settings() -> None:
    """Only variables that are read."""
    known = {setting.name for setting in (*SETTINGS, *ELSEWHERE)}
    assert set(environment(SERVE)) | set(environment(BACKUP)) <= known
    assert environment(BACKUP)["STATE"] == environment(SERVE)["STATE"]
    assert directives(SERVE)["Service"]["StateDirectory"] == ["badge-bridge"]
    assert environment(SERVE)["STATE"].startswith("sqlite:////var/lib/badge-bridge/")


def section(title: str) -> str:
    return README.partition(f"\n{title}\n")[2].partition("\n## ")[0]


def test_every_command_that_is_used_beside_the_service_is_told_what_it_needs() -> None:
    """Where the store is, or all of the service's environment, by which of the two the command reads."""
    text = section("## Running as a service")
    store = re.search(r"look at the store alone \(([^)]*)\)", text)
    rules = re.search(r"read the rules file\s\(([^)]*)\)", text)
    assert store
    assert rules
    options = {
        name: {
            parameter.name for one in (command, *getattr(command, "commands", {}).values()) for parameter in one.params
        }
        for name, command in typer.main.get_command(cli.app).commands.items()  # type: ignore[attr-defined]
        if name not in {"serve", "sandbox"}
    }
    of_rules = {name for name, has in options.items() if "rules" in has} | {"check"}
    assert set(re.findall(r"`(\w+)`", rules[1])) == of_rules
    assert set(re.findall(r"`(\w+)`", store[1])) == {name for name, has in options.items() if "state" in has} - of_rules


def test_command_that_asks_is_given_a_terminal() -> None:
    """Without one it would not ask, and end with exit code 2."""
    text = section("## Running as a service")
    asking = re.search(r"asks before it goes on \(([^)]*)\)", text)
    assert asking
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    asks = {name for name, command in commands.items() if "yes" in {parameter.name for parameter in command.params}}
    assert set(re.findall(r"`(\w+)`", asking[1])) == asks
    ways = dict(re.findall(r"^# systemd-run --quiet --(\w+) .*\n.* badge-bridge (\w+)", text, re.MULTILINE))
    assert ways["pty"] in asks
    assert ways["pipe"] not in asks


def test_backup_by_hand_is_that_of_the_unit() -> None:
    """As its user, of its store, into its folder, which is there before; the sample tells of a store of today."""
    text = section("## Running as a service")
    state, folder = environment(BACKUP)["STATE"], f"/var/lib/{directives(BACKUP)['Service']['StateDirectory'][0]}"
    user = directives(BACKUP)["Service"]["User"][0]
    backups = re.findall(r"^[$#] (.*\bbadge-bridge backup .*)$", text, re.MULTILINE)
    assert len(backups) == 2
    for command in backups:
        assert re.fullmatch(rf"sudo -u {user} badge-bridge backup {folder}/\S+\.db --state {state}", command)
    assert text.index(f"install -d -o {user} -g {user} -m 700 {folder}\n") < text.index(backups[0])
    assert re.findall(r", schema (\d+);", text) == [str(len(MIGRATIONS))]


def test_new_version_is_installed_while_the_service_is_stopped() -> None:
    """A backup first, then the new code and what it needs, then the start, which upgrades the store."""
    (block,) = re.findall(r"```console\n(.*?)```", section("### New versions"), re.DOTALL)
    words = ["systemctl stop", "badge-bridge backup", "git -C /opt/badge-bridge pull", "make -C", "systemctl start"]
    assert [word for line in block.splitlines() for word in words if word in line] == words


def test_service_has_time_to_stop() -> None:
    """More than the requests and the attempts under way are given, so that it is not killed while it tidies up."""
    (seconds,) = directives(SERVE)["Service"]["TimeoutStopSec"]
    assert int(seconds) >= 2 * (GRACE + local.GRACE)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Folders of the test for those of the units."""
    for name in ("etc", "state", "backups"):
        (tmp_path / name).mkdir()
    (tmp_path / "etc" / "rules.yaml").write_text(RULES)
    return {
        "/etc/badge-bridge": str(tmp_path / "etc"),
        "/var/lib/badge-bridge-backups": str(tmp_path / "backups"),
        "/var/lib/badge-bridge": str(tmp_path / "state"),
        PROGRAM: f"{sys.executable} -m badge_bridge.cli",
        "--port 8080": "--port 0",
    }


def placed(text: str, places: dict[str, str]) -> str:
    for named, place in places.items():
        text = text.replace(named, place)
    return text


def started_with(path: str, places: dict[str, str], file: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The words of a unit's command, and the environment that systemd would give it: the unit's, and the file's."""
    ((text,),) = [directives(path)["Service"]["ExecStart"]]
    command = shlex.split(placed(text, places).replace("%%", "%").replace("$$", "$"))
    passed_on = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    given = {name: placed(value, places) for name, value in environment(path).items()}
    # The port of the operators' pages is one for all on a machine; tests take a free one.
    return command, {"PATH": os.defpath, "ADMIN": "127.0.0.1:0", **passed_on, **given, **file}


@pytest.mark.slow
def test_units_work_together(places: dict[str, str], tmp_path: Path) -> None:
    """The service takes deliveries with what its unit and its file of secrets say, the nightly one backs its store up
    beside it, and it ends without an error when it is asked to.
    """
    command, given = started_with(SERVE, places, environ("http://127.0.0.1:9/rest/1/abcdefabcdefabcd/"))
    with program(command, env=given, cwd=tmp_path / "state") as running:
        url = running.find(r"listening on (http://127\.0\.0\.1:\d+)")[1]
        assert send(url, pbx(b'{"type": "note.made", "id": "one"}')).status_code == 204
        backup, given = started_with(BACKUP, places, {})
        for _ in range(2):
            said = subprocess.run(backup, env=given, cwd="/", capture_output=True, text=True, check=False, timeout=60)
            assert (said.returncode, said.stderr) == (0, "")
        assert "1 event (1 " in said.stdout
        (file,) = (tmp_path / "backups").iterdir()
        assert re.fullmatch(r"day-[1-7]\.db", file.name)
        assert running.stop() == 0


def test_service_tells_its_manager_how_it_is(places: dict[str, str], tmp_path: Path) -> None:
    """That it has started when it listens, and not before; then that it is alive, again and again; and that it stops."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        command, given = started_with(SERVE, places, environ("http://127.0.0.1:9/rest/1/abcdefabcdefabcd/"))
        (seconds,) = directives(SERVE)["Service"]["WatchdogSec"]
        given |= {
            "NOTIFY_SOCKET": manager.getsockname(),
            "WATCHDOG_USEC": str(int(seconds) * 1000),
        }  # sooner, for a test
        with program(command, env=given, cwd=tmp_path / "state") as running:
            heard = [manager.recv(100).decode() for _ in range(4)]
            url = running.find(r"listening on (http://127\.0\.0\.1:\d+)")[1]
            assert send(url, pbx(b'{"type": "note.made", "id": "one"}')).status_code == 204
            assert running.stop() == 0
        assert sorted(set(heard)) == ["READY=1", "WATCHDOG=1"]
        while manager.recv(100) == b"WATCHDOG=1":
            pass  # until it says that it stops, which it does before it ends


def test_manager_waits_for_a_start_and_for_signs_of_life() -> None:
    """Bringing a large store to a new schema may take minutes; a worker is taken for dead after `STALLED`."""
    service = directives(SERVE)["Service"]
    assert (service["Type"], service["TimeoutStartSec"]) == (["notify"], ["infinity"])
    assert int(service["WatchdogSec"][0]) <= STALLED
    assert "NotifyAccess" not in service, "the default is the main process, which is the one that tells"


Calls = Callable[[str], set[str]]


@pytest.fixture
def allowed(optional_program: Callable[[str], str]) -> Calls:
    """Gives the system calls that a unit's filter allows."""
    said = analyze(optional_program("systemd-analyze"), "syscall-filter").stdout
    groups: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith("@"):
            members = groups.setdefault(line.strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.append(line.strip())

    def calls(name: str) -> Iterator[str]:
        for member in groups[name]:
            yield from calls(member) if member.startswith("@") else (member,)

    def of(path: str) -> set[str]:
        found: set[str] = set()
        for group in directives(path)["Service"]["SystemCallFilter"]:
            named = set(calls(group.removeprefix("~")))
            found = found - named if group.startswith("~") else found | named
        return found

    return of


def check_trace(path: str, lines: Sequence[str], allowed: Calls) -> None:
    """No call, no kind of address and no memory that can be written and executed, but what the unit allows."""
    # SQLite gives its files to the owner of the folder where it runs as root, as tests may and the service does not.
    used = {call[1] for line in lines if (call := re.match(r"\d+ +([a-z]\w*)\(", line))} - {"fchown"}
    assert len(used) > 30
    assert used <= allowed(path)
    families = set(directives(path)["Service"]["RestrictAddressFamilies"][0].split())
    sockets = {call[1] for line in lines if (call := re.search(r"\bsocket\((AF_\w+)", line))}
    assert sockets <= families
    assert not [line for line in lines if re.search(r"mmap\(.*PROT_WRITE\|PROT_EXEC|\bmprotect\(.*PROT_EXEC", line)]


@pytest.mark.slow
def test_filter_of_system_calls_allows_what_the_service_does(
    places: dict[str, str], allowed: Calls, optional_program: Callable[[str], str], tmp_path: Path
) -> None:
    """From its start to its end, with deliveries that it works on at a portal."""
    trace = tmp_path / "trace"
    with sandbox() as (_, webhook):
        command, given = started_with(SERVE, places, environ(webhook))
        # -D: strace runs beside the server and not as its parent, so that signals reach the server.
        wrap = [optional_program("strace"), "-D", "-f", "-o", str(trace)]
        with program([*wrap, *command], env=given, cwd=tmp_path / "state") as running:
            url = running.find(r"listening on (http://127\.0\.0\.1:\d+)")[1]
            assert send(url, twilio("one")).status_code == 200
            running.find(r"call\.missed.*done")
            pid = running.process.pid
            assert running.stop() == 0
        ended = re.compile(rf"^{pid} +\+\+\+ exited", re.MULTILINE)
        until(lambda: ended.search(trace.read_text("utf-8", errors="replace")), what="the end of the trace")
    lines = trace.read_text("utf-8", errors="replace").splitlines()
    assert any("socket(AF_INET" in line for line in lines)
    check_trace(SERVE, lines, allowed)


@pytest.mark.slow
async def test_filter_of_system_calls_allows_what_the_backup_does(
    places: dict[str, str], allowed: Calls, optional_program: Callable[[str], str], tmp_path: Path
) -> None:
    """From its start to its end, of a store that is there."""
    store = SqliteStore(tmp_path / "state" / "state.db")
    await store.open()
    await store.close()
    trace = tmp_path / "trace"
    command, given = started_with(BACKUP, places, {})
    wrap = [optional_program("strace"), "-f", "-o", str(trace)]
    said = subprocess.run([*wrap, *command], env=given, capture_output=True, text=True, check=False, timeout=120)
    assert (said.returncode, said.stderr) == (0, "")
    check_trace(BACKUP, trace.read_text("utf-8", errors="replace").splitlines(), allowed)
