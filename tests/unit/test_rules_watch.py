"""When a rules file counts as another one."""

from __future__ import annotations

from pathlib import Path

from badge_bridge.rules_watch import Looked, RulesWatch


def seen(number: int) -> Looked:
    return "rules.yaml", 1, number, 10, number, number


def watched(*looks: Looked) -> list[bool]:
    """What a watch says at each look but the first one, with which it begins."""
    left = iter(looks)
    watch = RulesWatch("rules.yaml", look=lambda path: next(left))
    return [watch.has_changed() for _ in looks[1:]]


def test_file_that_stays_as_it_is_has_not_changed() -> None:
    """Nothing is told of what was there when the watch began."""
    assert watched(seen(1), seen(1), seen(1)) == [False, False]


def test_change_is_told_once_when_it_has_been_still_for_a_look() -> None:
    """Not at the first look that sees it, and not again after that."""
    assert watched(seen(1), seen(2), seen(2), seen(2)) == [False, True, False]


def test_nothing_is_told_while_the_file_keeps_changing() -> None:
    """Whoever writes it is not done."""
    assert watched(seen(1), seen(2), seen(3), seen(4), seen(4)) == [False, False, False, True]


def test_file_that_is_away_for_a_moment_has_not_changed() -> None:
    """Some editors delete the old file before they write the new one, which may be the same."""
    assert watched(seen(1), None, seen(1), seen(1)) == [False, False, False]


def test_file_that_is_gone_has_changed() -> None:
    """That must not stay unnoticed until the next start, which would fail."""
    assert watched(seen(1), None, None, None, seen(1), seen(1)) == [False, True, False, False, True]


def changes(path: Path, *writes: object) -> list[bool]:
    """Whether a real file has changed after each of these."""
    watch = RulesWatch(str(path))
    said = []
    for write in writes:
        assert callable(write)
        write()
        assert not watch.has_changed()
        said.append(watch.has_changed())
    return said


def test_file_is_another_one_when_it_is_written_to_or_replaced(tmp_path: Path) -> None:
    """In place, as `echo >>` does, or by a rename, as editors do, even with the same size and time."""
    file, other = tmp_path / "rules.yaml", tmp_path / "rules.yaml~"
    file.write_text("one")

    def in_place() -> None:
        file.write_text("three")

    def by_rename() -> None:
        other.write_text("seven")
        other.replace(file)

    assert changes(file, in_place, by_rename) == [True, True]


def test_file_is_another_one_when_a_link_on_the_way_to_it_is_swapped(tmp_path: Path) -> None:
    """Kubernetes keeps each state of a ConfigMap in a folder, and swaps the link to it."""
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.yaml").write_text("same")
    (tmp_path / "..data").symlink_to("..1")
    file = tmp_path / "rules.yaml"
    file.symlink_to("..data/rules.yaml")

    def swap() -> None:
        (tmp_path / "..data_tmp").symlink_to("..2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    assert changes(file, swap) == [True]
