"""Make the zip that the functions are deployed from: the same bytes from the same sources, on every machine.

Usage: python3 infra/package.py [--rules rules.yaml] [--output .artifacts/functions.zip]

Terraform names the uploaded object by the hash of this file, so that what has not changed is not deployed again. The
hash must therefore not depend on the clock, the umask, the order of a folder or the Python that packs. So nothing is
compressed either: builds of zlib differ in the bytes that they write, and two megabytes need no compressing.

What the build in Google's cloud would stumble over is found here: it compiles every Python file of the zip, it needs
`main.py` and `requirements.txt` at the root, and it installs what the latter says and, unless that names it, a
functions-framework of its own choice.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import io
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "functions"
OUTPUT = ROOT / ".artifacts" / "functions.zip"
RULES = "rules.yaml"
"""Where the functions look for their rules file unless RULES says otherwise."""

SHIPPED = (
    "main.py",
    "requirements.txt",
    "badge_bridge/*.py",
    "badge_bridge/*.yaml",
    "badge_bridge/py.typed",
    "badge_bridge/console/templates/*.html",
    "badge_bridge/console/static/*.css",
    "badge_bridge/console/static/*.js",
    "badge_bridge/console/static/*.svg",
)
"""What a deployment has. Whatever else lies in the folder is either known rubbish or a mistake."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can tell."""
_UNIX = 3
_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])? *==[^\s;*]+( *;[^#]*?)?( +--hash=sha256:[0-9a-f]{64})+"
)


class CannotPackage(Exception):
    """Says which file is wrong, and what to do."""


def package(source: Path, ignored: Sequence[str], rules: Path | None = None) -> bytes:
    """The zip of this folder, with `rules` as its rules file; `ignored` are patterns of names that are left out.

    Raises:
        CannotPackage: something is missing, is there and should not be, or could not be built.
    """
    content = {name: (source / name).read_bytes() for name in _shipped(source, ignored)}
    if rules is not None:
        try:
            content[RULES] = rules.read_bytes()
        except OSError as error:
            raise CannotPackage(f"the rules file {rules} cannot be read: {error.strerror}") from error
    _check_build(content)
    return _zip(content)


def _shipped(source: Path, ignored: Sequence[str]) -> list[str]:
    names: list[str] = []
    strangers: list[str] = []
    for name in _names(source, ignored):
        known = any(fnmatch.fnmatchcase(name, pattern) for pattern in SHIPPED)
        # A link would bring in what lies elsewhere.
        (names if known and not (source / name).is_symlink() else strangers).append(name)
    if strangers:
        raise CannotPackage(
            f"no part of what is deployed, so move it out of {source}/ (a rules file is named with RULES_FILE=...): "
            + ", ".join(sorted(strangers))
        )
    return names


def _names(source: Path, ignored: Sequence[str]) -> Iterator[str]:
    """The files below a folder but for hidden ones and those of ignored names."""
    for folder, folders, files in os.walk(source):
        folders[:] = [name for name in folders if not _left_out(name, ignored)]
        # What is a link to a folder is listed as a folder and not walked into.
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*files, *links):
            if not _left_out(name, ignored):
                yield Path(folder, name).relative_to(source).as_posix()


def _left_out(name: str, ignored: Sequence[str]) -> bool:
    return name.startswith(".") or any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)


def ignored_names(gitignore: str) -> list[str]:
    """The patterns of a .gitignore that has only such as concern a name wherever it is."""
    patterns = [line.strip() for line in gitignore.splitlines()]
    patterns = [pattern.removesuffix("/") for pattern in patterns if pattern and not pattern.startswith("#")]
    for pattern in patterns:
        if "/" in pattern or pattern.startswith("!"):
            raise CannotPackage(f".gitignore: {pattern!r} is more than a name, which packaging does not understand")
    return patterns


def _check_build(content: Mapping[str, bytes]) -> None:
    """Do what the build does, as far as it needs no network."""
    for name in ("main.py", "requirements.txt"):
        if name not in content:
            raise CannotPackage(f"{name} is missing")
    for name, text in sorted(content.items()):
        if name.endswith(".py"):
            try:
                compile(text, name, "exec", dont_inherit=True)
            except (SyntaxError, ValueError) as error:
                raise CannotPackage(f"{name} cannot be compiled: {error}") from error
    found = requirements(content["requirements.txt"].decode())
    if "functions-framework" not in found:
        raise CannotPackage("requirements.txt does not name functions-framework; the build would choose one itself")


def requirements(text: str) -> list[str]:
    """The names of what a requirements file installs, each of which must be pinned and have hashes.

    Raises:
        CannotPackage: one is not, or there is an option that leads elsewhere, such as to an index.
    """
    joined = re.sub(r"\\\n", " ", text)
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines()]
    names = []
    for line in filter(None, lines):
        match = _PINNED.fullmatch(line)
        if match is None:
            raise CannotPackage(
                f"requirements.txt: {line[:80]!r} is not a version with its hashes; `make lock` writes the file"
            )
        names.append(match["name"].lower())
    return names


def _zip(content: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content[name])
    return stream.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the zip that the functions are deployed from.")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="put this rules file in, as rules.yaml")
    parser.add_argument("--output", type=Path, metavar="FILE", default=OUTPUT)
    arguments = parser.parse_args()
    output: Path = arguments.output
    try:
        ignored = ignored_names((ROOT / ".gitignore").read_text("utf-8"))
        made = package(FUNCTIONS, ignored, arguments.rules)
    except CannotPackage as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    output.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: Terraform may be reading.
    half = output.with_name(output.name + ".new")
    half.write_bytes(made)
    half.replace(output)
    print(f"{output}  {len(made)} bytes  sha256 {hashlib.sha256(made).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
