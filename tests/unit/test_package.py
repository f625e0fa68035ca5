"""What is put into the zip that the functions are deployed from, and what is refused."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]
IGNORED = ["__pycache__", "*.py[cod]", "*.db", "*.env"]
LOCK = (
    "# made\nfunctions-framework==3.10.2 ; python_version >= '3.11' \\\n    --hash=sha256:"
    + "0" * 64
    + "\n    # via x\n"
)
SOURCES = {
    "main.py": "import badge_bridge\n",
    "requirements.txt": LOCK,
    "badge_bridge/__init__.py": "",
    "badge_bridge/py.typed": "",
    "badge_bridge/demo/rules.yaml": "rules: []\n",
    "badge_bridge/demo/story.py": "print('Grüße')\n",
    "badge_bridge/console/static/console.css": "b { color: red }\n",
    "badge_bridge/console/templates/base.html": "<!doctype html>\n",
}


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("package", ROOT / "infra" / "package.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


packaging = _load()


def written(folder: Path, content: Mapping[str, str]) -> Path:
    for name, text in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def unpacked(made: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_package_has_the_sources_and_leaves_rubbish_out(tmp_path: Path) -> None:
    """Caches, databases, secrets and hidden files of a developer are not deployed."""
    rubbish = ["badge_bridge/__pycache__/x.pyc", "badge-bridge.db", "bridge.env", ".env", ".idea/x.xml", "x.pyc"]
    folder = written(tmp_path, {**SOURCES, **dict.fromkeys(rubbish, "secret")})
    assert unpacked(packaging.package(folder, IGNORED)) == SOURCES


def test_package_is_the_same_bytes_when_only_modes_times_and_the_order_of_writing_differ(tmp_path: Path) -> None:
    """A checkout of another day, by a user with another umask, gives the same zip."""
    first = written(tmp_path / "a", SOURCES)
    second = written(tmp_path / "b", dict(reversed(SOURCES.items())))
    for name in SOURCES:
        os.utime(second / name, (2_000_000_000, 2_000_000_000))
        (second / name).chmod(0o755)
    assert packaging.package(first, IGNORED) == packaging.package(second, IGNORED)


def test_package_is_not_compressed_and_readable_by_all(tmp_path: Path) -> None:
    """Compressing would let the build of zlib decide on the bytes; the mode is that of a file that all may read."""
    with zipfile.ZipFile(io.BytesIO(packaging.package(written(tmp_path, SOURCES), IGNORED))) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(SOURCES)
    told = {(entry.compress_type, entry.external_attr >> 16, entry.date_time) for entry in entries}
    assert told == {(zipfile.ZIP_STORED, 0o100644, (1980, 1, 1, 0, 0, 0))}


@pytest.mark.parametrize("name", ["notes.md", "rules.yaml", "other.py", "badge_bridge/data.csv", "infra/main.tf"])
def test_unknown_file_is_refused_when_it_lies_among_the_sources(tmp_path: Path, name: str) -> None:
    """What is neither source nor known rubbish is named instead of being deployed or dropped."""
    folder = written(tmp_path, {**SOURCES, name: ""})
    with pytest.raises(packaging.CannotPackage, match=name):
        packaging.package(folder, IGNORED)


@pytest.mark.parametrize(("name", "target"), [("badge_bridge/link.py", "main.py"), ("badge_bridge/room", "")])
def test_link_is_refused_when_it_lies_among_the_sources(tmp_path: Path, name: str, target: str) -> None:
    """A link would bring in what lies elsewhere on this machine."""
    folder = written(tmp_path, SOURCES)
    (folder / name).symlink_to(folder / target)
    with pytest.raises(packaging.CannotPackage, match=name):
        packaging.package(folder, IGNORED)


def test_rules_file_is_put_beside_main_when_one_is_named(tmp_path: Path) -> None:
    """It has the name under which the functions look for it, whatever it is called here."""
    rules = written(tmp_path / "mine", {"acme.yml": "rules: []\n"}) / "acme.yml"
    made = packaging.package(written(tmp_path / "functions", SOURCES), IGNORED, rules)
    assert unpacked(made) == {**SOURCES, "rules.yaml": "rules: []\n"}


def test_rules_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong path is a sentence and not a traceback."""
    with pytest.raises(packaging.CannotPackage, match=r"missing\.yaml cannot be read"):
        packaging.package(written(tmp_path, SOURCES), IGNORED, tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"badge_bridge/broken.py": "def f(:\n"}, "badge_bridge/broken.py cannot be compiled"),
        ({"badge_bridge/broken.py": "x = '\0'\n"}, "badge_bridge/broken.py cannot be compiled"),
        ({"requirements.txt": ""}, "does not name functions-framework"),
        ({"requirements.txt": LOCK + "httpx>=0.28\n"}, "'httpx>=0.28' is not a version with its hashes"),
        ({"requirements.txt": LOCK + "httpx==0.28.1\n"}, "'httpx==0.28.1' is not a version with its hashes"),
        ({"requirements.txt": LOCK + "httpx==0.* --hash=sha256:" + "0" * 64}, "is not a version with its hashes"),
        ({"requirements.txt": LOCK + "--pre\n"}, "'--pre' is not a version with its hashes"),
        ({"requirements.txt": LOCK + "-r other.txt\n"}, "'-r other.txt' is not a version with its hashes"),
    ],
)
def test_package_is_refused_when_its_build_would_fail(tmp_path: Path, change: Mapping[str, str], said: str) -> None:
    """What the build in the cloud would stumble over, or would decide by itself, is told before anything is sent."""
    with pytest.raises(packaging.CannotPackage) as caught:
        packaging.package(written(tmp_path, {**SOURCES, **change}), IGNORED)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["main.py", "requirements.txt"])
def test_package_is_refused_when_its_entry_is_missing(tmp_path: Path, name: str) -> None:
    """The build looks for both at the root."""
    folder = written(tmp_path, SOURCES)
    (folder / name).unlink()
    with pytest.raises(packaging.CannotPackage, match=f"{name} is missing"):
        packaging.package(folder, IGNORED)


@pytest.mark.parametrize("line", ["/build/", "!kept.db", "functions/*.txt"])
def test_gitignore_is_refused_when_it_has_more_than_names(line: str) -> None:
    """A pattern that is not understood is told, so that nothing is deployed by a misreading."""
    with pytest.raises(packaging.CannotPackage, match="more than a name"):
        packaging.ignored_names(f"*.db\n{line}\n")


def test_package_of_this_checkout_is_what_git_would_ship() -> None:
    """Every file below functions/ that git tracks, or would, is deployed, and no other."""
    listing = ["git", "-C", str(ROOT / "functions"), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    there = {name for name in listed.stdout.splitlines() if (ROOT / "functions" / name).exists()}
    ignored = packaging.ignored_names((ROOT / ".gitignore").read_text("utf-8"))
    with zipfile.ZipFile(io.BytesIO(packaging.package(ROOT / "functions", ignored))) as archive:
        assert set(archive.namelist()) == there


def test_wheel_has_the_pages_of_the_console() -> None:
    """What is installed with pip shows the same pages as a checkout."""
    shipped = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    console = ROOT / "functions" / "badge_bridge" / "console"
    files = [path for folder in ("templates", "static") for path in sorted((console / folder).iterdir())]
    assert files
    assert [path.name for path in files if path.relative_to(ROOT / "functions").as_posix() not in shipped] == []
