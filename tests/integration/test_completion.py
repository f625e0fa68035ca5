"""What a shell completes, in a shell."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from badge_bridge.store import open_store
from support.deliveries import RULES
from support.programs import ROOT
from support.stores import item
from support.terminals import terminal

pytestmark = pytest.mark.slow

KEYS = [f"reception:{letter * 32}" for letter in "ab"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a rules file, a store, and the command as it is installed."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    command = tmp_path / "bin" / "badge-bridge"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom badge_bridge.__main__ import main\nmain()\n", "utf-8")
    command.chmod(0o755)

    async def fill() -> None:
        store = open_store(f"sqlite:///{tmp_path}/state.db")
        await store.open()
        await store.accept([item(key) for key in KEYS])
        await store.close()

    asyncio.run(fill())
    return tmp_path


def environ(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder),
        "STATE": f"sqlite:///{folder}/state.db",
        "PYTHONPATH": str(ROOT / "functions"),
    }


def completed(folder: Path, shell: str, *words: str, **env: str) -> str:
    """What the shell is told when the tab key is pressed behind these words."""
    asked = {
        "bash": {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": " ".join(words)},
        "fish": {"_TYPER_COMPLETE_ARGS": " ".join(words), "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    done = subprocess.run(
        [folder / "bin" / "badge-bridge"],
        env={**environ(folder), "_BADGE_BRIDGE_COMPLETE": f"complete_{shell}", **asked, **env},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["events", "show", ""], KEYS),
        (["events", "redrive", KEYS[0], "reception:b"], KEYS[1:]),
        (["events", "list", "--in", "d"], ["done", "dead"]),
        (["events", "list", "--source", "re"], ["reception"]),
        (["events", "list", "--type", "call.m"], ["call.missed"]),
        (["sign", "sho"], ["shop"]),
        (["sync", "--portal", ""], ["main"]),
        (["fetch", "--portal", ""], ["main"]),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_names_are_offered_where_they_can_stand(folder: Path, shell: str, words: list[str], offered: list[str]) -> None:
    """Names of the rules file, words that the command knows, and keys of events that came lately."""
    told = completed(folder, shell, "badge-bridge", *words)
    names = [line.partition("\t")[0].strip('"') for line in told.splitlines()]
    if shell == "zsh":
        told = told.removeprefix("_arguments '*: :((").removesuffix("))'\n").replace(r"\\:", "\0")
        names = [line.split(":")[0].strip('"').replace("\0", ":") for line in told.splitlines()]
    assert sorted(names) == sorted(offered)


@pytest.mark.parametrize("words", [["events", "show", ""], ["sign", ""], ["events", "list", "--source", ""]])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_nothing_is_offered_or_said_where_nothing_can_be_read(folder: Path, shell: str, words: list[str]) -> None:
    """In another folder there is no rules file, and no store: the line that is being typed is left as it is."""
    missing = {"STATE": f"sqlite:///{folder}/none.db", "RULES": "none.yaml"}
    assert completed(folder, shell, "badge-bridge", *words, **missing).strip() in ("", "_files")
    assert not (folder / "none.db").exists()


def test_nothing_is_asked_over_the_network_while_somebody_types(folder: Path) -> None:
    """Rules in Cloud Storage and events in Firestore would keep the shell waiting."""
    far = {"STATE": "firestore://p", "RULES": "gs://b/o", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:9"}
    assert completed(folder, "fish", "badge-bridge", "explain", "", **far).strip() == ""


def installed(shell: str) -> str:
    """Its path."""
    path = shutil.which(shell)
    if path is None:
        if os.environ.get("REQUIRE_OPTIONAL") == "1":
            pytest.fail(f"{shell} is not installed")
        pytest.skip(f"{shell} is not installed")
    return path


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("events sh\t", "events show"),
        ("events show reception:a\t", f"events show {KEYS[0]}"),
        ("events show rec\tb\t", f"events show {KEYS[1]}"),
        ("explain reception:b\t", f"explain {KEYS[1]}"),
        ("sign rec\t", "sign reception"),
        ("events list --rule mis\t", r"events list --rule missed\\ call"),
    ],
)
def test_bash_completes_the_line_once_completion_is_installed(folder: Path, typed: str, line: str) -> None:
    """A key has a colon, at which bash splits words: it is completed as a whole all the same. A blank is quoted."""
    bash = installed("bash")
    env = environ(folder)
    command = [bash, "--norc", "-c", "badge-bridge --install-completion bash"]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    settings = folder / ".bashrc"
    settings.write_text(f"{settings.read_text('utf-8')}\nPS1='ready> '\n", "utf-8")
    with terminal([bash, "--rcfile", str(settings), "-i"], env=env, cwd=folder) as shell:
        shell.find("ready> ")
        shell.type(f"badge-bridge {typed}")
        shell.find(rf"ready> badge-bridge {line}\s?$")


TYPED = [
    ("events sh", r"events\S* show"),
    ("events show reception:a", KEYS[0]),
    ("sign rec", "reception"),
    ("events list --rule mis", r"missed\\ call"),
]
"""What somebody types before the tab key, and what is in the line then."""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete_the_line_once_completion_is_installed(folder: Path, shell: str) -> None:
    """From the first tab of a session on, with keys as a whole, and blanks quoted."""
    path, env = installed(shell), environ(folder)
    (folder / ".local/share/fish/generated_completions").mkdir(parents=True)  # else fish reads all manuals at first
    command = [path, "-c", "badge-bridge --install-completion; true"]  # one alone would take the shell's place
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert f"{shell} completion installed" in done.stdout, done.stderr
    settings = {"zsh": folder / ".zshrc", "fish": folder / ".config/fish/config.fish"}[shell]
    prompt = {"zsh": "PS1='ready> '", "fish": "function fish_prompt; echo 'ready> '; end"}[shell]
    with settings.open("a", encoding="utf-8") as file:
        file.write(f"\n{prompt}\n")
    for typed, expected in TYPED:
        with terminal([path, "-i"], env=env, cwd=folder) as screen:
            screen.find("ready> ")
            screen.type(f"badge-bridge {typed}\t")
            screen.find(expected)
