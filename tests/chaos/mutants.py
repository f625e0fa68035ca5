"""Builds that are broken on purpose, each in one place: the audit is worth something where it fails them all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.world import PACKAGE

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """In `module`, `sound` is replaced by `broken`; of what comes of it at least one finding begins with `found`."""

    name: str
    module: str
    sound: str
    broken: str
    found: str

    @property
    def is_of_file(self) -> bool:
        """Whether what is broken is the store in a file, which the functions do not have."""
        return self.module.startswith("store/sqlite/")

    def build(self, folder: Path) -> Path:
        """Put the broken package into `folder`; where it is to be imported from.

        Raises:
            AssertionError: there is no such place any more, or more than one.
        """
        package = shutil.copytree(
            PACKAGE / "badge_bridge", folder / "badge_bridge", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(PACKAGE / "main.py", folder)
        file = package / self.module
        text = file.read_text("utf-8")
        assert text.count(self.sound) == 1, f"{self.module} has {text.count(self.sound)} times: {self.sound}"
        file.write_text(text.replace(self.sound, self.broken), "utf-8")
        return folder

    def is_found(self, wrong: Sequence[str]) -> bool:
        return any(one.startswith(self.found) for one in wrong)


MUTANTS: Sequence[Mutant] = (
    Mutant(
        "answers before it has written",
        "accepting.py",
        "stored = await self._store_all(read(source, delivery), verified, delivery.received_at)",
        "self._later = asyncio.ensure_future("
        "self._store_all(read(source, delivery), verified, delivery.received_at)); stored = []",
        "lost: call",
    ),
    Mutant(
        "takes a repeat for something new",
        "accepting.py",
        "event_key(reading.event.source, reading.identity)",
        "event_key(reading.event.source, f'{reading.identity} {received_at}')",
        "doubled:",
    ),
    Mutant(
        "takes what is not signed",
        "accepting.py",
        "verified = await self._verify(source, delivery)",
        "verified = 'not at all'",
        "forged:",
    ),
    Mutant(
        "adds again without a look",
        "attaching.py",
        "if row is not None and row.closed_at is None:",
        "if False:",
        "doubled:",
    ),
    Mutant(
        "believes at once that an add got lost",
        "attaching.py",
        "if sent_at is not None and look.now < look.ends(sent_at):",
        "if False:",
        "doubled:",
    ),
    Mutant(
        "writes nothing down before it adds",
        "attaching.py",
        "await self.write(row, deed.claim)\n        before",
        "before",
        "doubled:",
    ),
    Mutant(
        "forgets what it has added",
        "attaching.py",
        "known = replace(row, activity=activity, sent_at=None)\n        await self.write(known, claim)",
        "known = replace(row, activity=activity, sent_at=None)",
        "ledger:",
    ),
    Mutant(
        "goes by when it is told and not by when people called",
        "attaching.py",
        'if not deed.join:\n            return ""',
        'if True:\n            return ""',
        "not cleared:",
    ),
    Mutant(
        "drops the record of an attempt whose process was killed",
        "store/sqlite/sql.py",
        "_LOSE_ATTEMPT = \"UPDATE attempts SET result = 'lost' WHERE",
        '_LOSE_ATTEMPT = "DELETE FROM attempts WHERE',
        "attempt",
    ),
    Mutant(
        "deletes by a clock that has jumped",
        "retention.py",
        "return certain.known",
        "return now",
        "deleted too early:",
    ),
    Mutant(
        "deletes what has ended once and is tried again",
        "store/sqlite/sql.py",
        "lane = '', reason = '', settled_at = NULL",
        "lane = '', reason = ''",
        "deleted before its end:",
    ),
    Mutant(
        "forgets what it has deleted",
        "store/sqlite/forgetting.py",
        "    remember(connection, [mark_of(secret, key) for key in keys])\n    connection.executemany(sql.FORGET_ATT",
        "    connection.executemany(sql.FORGET_ATT",
        "taken for something new:",
    ),
    Mutant(
        "leaves a row of a person who is erased",
        "store/sqlite/sql.py",
        'ERASE_ATTACHMENTS = "DELETE FROM attachments WHERE key = ?"',
        'ERASE_ATTACHMENTS = "DELETE FROM attachments WHERE key = ? AND activity IS NULL"',
        "not erased:",
    ),
)
