"""The setting STATE: which store it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from badge_bridge.errors import SettingsError
from badge_bridge.store import open_store
from badge_bridge.store.firestore import FirestoreStore
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.sqlite import SqliteStore


def test_open_store_makes_sqlite_when_url_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes name a file relative to the working folder, and nothing is made before open."""
    monkeypatch.chdir(tmp_path)

    store = open_store("sqlite:///data/state of things.db")

    assert isinstance(store, SqliteStore)
    assert store.path == str(tmp_path / "data" / "state of things.db")
    assert list(tmp_path.iterdir()) == []


def test_open_store_makes_sqlite_when_url_is_absolute(tmp_path: Path) -> None:
    """A fourth slash makes the path absolute."""
    store = open_store(f"sqlite:///{tmp_path}/state.db")

    assert isinstance(store, SqliteStore)
    assert store.path == f"{tmp_path}/state.db"


def test_open_store_makes_memory_when_asked() -> None:
    """The store in memory has a URL too."""
    assert isinstance(open_store("memory:"), MemoryStore)


@pytest.mark.parametrize(
    "url",
    ["", "state.db", "postgres://host/db", "sqlite:", "sqlite://", "sqlite:///", "sqlite:state.db",
     "sqlite://host/state.db", "sqlite:///folder/", "sqlite:///state.db?mode=ro", "memory:x"],
)  # fmt: skip
def test_open_store_names_the_known_when_url_is_not(url: str) -> None:
    """A URL that is not understood is answered with those that are."""
    with pytest.raises(SettingsError, match=r"sqlite:///state\.db.*sqlite:////.*memory:"):
        open_store(url)


@pytest.mark.parametrize(
    ("url", "parts_"),
    [
        ("firestore://acme-prod/bridge", ("acme-prod", "bridge")),
        ("firestore://acme-prod", ("acme-prod", "(default)")),
        ("firestore://acme-prod/(default)", ("acme-prod", "(default)")),
        ("firestore://example.com:acme", ("example.com:acme", "(default)")),
    ],
)
def test_store_is_named_by_project_and_database(url: str, parts_: tuple[str, str]) -> None:
    """The database may be left out."""
    store = open_store(url)
    assert isinstance(store, FirestoreStore)
    assert (store.project, store.database) == parts_


@pytest.mark.parametrize(
    "url", ["firestore:", "firestore://", "firestore:///db", "firestore://Acme/db", "firestore://a-b-c-d/x/y"]
)
def test_store_is_refused_when_its_name_cannot_be(url: str) -> None:
    """A name that Google allows nobody is a mistake in the setting."""
    with pytest.raises(SettingsError, match="firestore"):
        open_store(url)
