"""The state file: a seed as JSON, replaced as a whole, so that it is either the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from badge_bridge.sandbox.errors import SandboxError
from badge_bridge.sandbox.seed import Seed

__all__ = ["StateFile"]


class StateFile:
    """Keeps a portal's content over restarts; faults and the request log are not kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Seed | None:
        """The stored content, or None where there is no file yet.

        Raises:
            SandboxError: the file cannot be read, or is not a sandbox's state.
        """
        try:
            return Seed.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SandboxError(f"{self.path}: the state cannot be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SandboxError(
                f"{self.path}: this is not the state of a sandbox portal ({where + ': ' if where else ''}"
                f"{first['msg']}); correct it, or move it away to start with the default content"
            ) from error

    def save(self, seed: Seed) -> None:
        """Write durably and replace: a reader or a crash sees the old content or the new, never a part.

        Raises:
            SandboxError: the directory is missing, not writable, or full.
        """
        try:
            self._replace(seed.model_dump_json(indent=2).encode())
        except OSError as error:
            raise SandboxError(f"{self.path}: the state cannot be written: {error.strerror}") from error

    def _replace(self, content: bytes) -> None:
        # mkstemp makes the file readable for its owner alone, which suits a file with credentials in it.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._sync_directory()

    def _sync_directory(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
