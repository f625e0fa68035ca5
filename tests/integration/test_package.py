"""The zip that the functions are deployed from, as `make package` writes it and as the cloud would build it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pythons import interpreter
from support.deliveries import RULES, shop
from support.environments import NoRegistry, made
from support.programs import ROOT, functions_framework, send

pytestmark = pytest.mark.slow

PROGRAM = ROOT / "infra" / "package.py"
ZIP = ROOT / ".artifacts" / "functions.zip"


def make(*arguments: str, cwd: Path, umask: int = 0o022, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and output of `make package`, with the environment that the tests run in."""
    ours = [f"PYTHON={sys.executable}", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.app"]
    command = ["make", "--no-print-directory", "-C", str(ROOT), "package", *ours, *arguments]
    clean = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    done = subprocess.run(
        command, cwd=cwd, umask=umask, env={**clean, **(env or {})}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_make_package_gives_the_same_bytes_wherever_and_whenever_it_runs(tmp_path: Path) -> None:
    """Neither the folder, the umask, the time zone, the language nor the version of Python changes the zip."""
    first = make(cwd=tmp_path)
    content = ZIP.read_bytes()
    told = f"{ZIP}  {len(content)} bytes  sha256 {hashlib.sha256(content).hexdigest()}\n"
    assert first == (0, told)
    elsewhere = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7", "PYTHONOPTIMIZE": "2"}
    assert make(cwd=ROOT / "docs", umask=0o077, env=elsewhere) == (0, told)
    for version in ("3.11", "3.12", "3.13"):
        other = interpreter(version)
        if other is not None:
            command = [other, str(PROGRAM), "--output", str(tmp_path / "other.zip")]
            subprocess.run(command, check=True, capture_output=True)
            assert (tmp_path / "other.zip").read_bytes() == content, version


def test_make_package_puts_a_rules_file_in_only_when_it_is_a_good_one(tmp_path: Path) -> None:
    """A rules file that is named is checked first, and a bad one leaves the zip as it was."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(RULES, "utf-8")
    bad.write_text(RULES.replace("badge: paid", "badge: payed"), "utf-8")
    assert make(f"RULES_FILE={good}", cwd=tmp_path)[0] == 0
    code, said = make(f"RULES_FILE={bad}", cwd=tmp_path)
    assert code != 0
    assert "payed" in said
    with zipfile.ZipFile(ZIP) as archive:
        assert archive.read("rules.yaml").decode() == RULES
    assert make(cwd=tmp_path)[0] == 0
    with zipfile.ZipFile(ZIP) as archive:
        assert "rules.yaml" not in archive.namelist()


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Path]:
    """A folder for an environment, removed afterwards, since it is large."""
    yield tmp_path / "environment"
    shutil.rmtree(tmp_path / "environment", ignore_errors=True)


@pytest.mark.timeout(600)
def test_unpacked_zip_alone_serves_receive(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh environment made from its own requirements.txt it takes a signed delivery and stores it."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    subprocess.run([sys.executable, str(PROGRAM), "--output", str(tmp_path / "functions.zip")], check=True)
    alone = tmp_path / "alone"
    with zipfile.ZipFile(tmp_path / "functions.zip") as archive:
        archive.extractall(alone)
    try:
        python = made(environment, alone / "requirements.txt")
    except NoRegistry as error:
        if os.environ.get("REQUIRE_OPTIONAL"):
            pytest.fail(f"a package registry is required here: {error}")
        pytest.skip(str(error))
    # As the build in the cloud does it, which gives up at the first file that does not compile.
    subprocess.run([python, "-m", "compileall", "-f", "-q", "."], cwd=alone, check=True)
    webhook = "http://127.0.0.1:9/rest/1/secretsecret/"
    with functions_framework(tmp_path, webhook, python=python, source=alone) as (running, url):
        assert send(url, shop("msg_alone", {"status": "new", "phone": "+4930901820"})).is_success, running.output
    with closing(sqlite3.connect(f"file:{tmp_path / 'state.db'}?mode=ro", uri=True)) as store:
        assert store.execute("SELECT source, type FROM events").fetchall() == [("shop", "order.new")]
