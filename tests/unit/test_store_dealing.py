"""Places are dealt out lane by lane, so that nobody waits for another one's backlog."""

from __future__ import annotations

from badge_bridge.store.dealing import Dealer


def test_oldest_of_each_lane_are_taken_in_turn_when_places_are_few() -> None:
    """Two lanes with plenty share the places equally, each in its own order."""
    dealt = Dealer().deal({"": [31, 32, 33], "main": [1, 2, 3]}, 4)
    assert sorted(dealt) == [1, 2, 31, 32]


def test_places_that_a_lane_does_not_want_go_to_the_others() -> None:
    """One new event beside a backlog takes one place, and the backlog has all others."""
    dealt = Dealer().deal({"": [31], "main": [1, 2, 3, 4, 5], "other": []}, 4)
    assert sorted(dealt) == [1, 2, 3, 31]


def test_all_are_dealt_when_there_are_places_for_all() -> None:
    """Nobody is left out where nobody has to be, and nobody is dealt twice."""
    assert sorted(Dealer().deal({"": [31, 32], "main": [1, 2, 3], "other": [21]}, 10)) == [1, 2, 3, 21, 31, 32]
    assert Dealer().deal({"main": [1, 2, 3]}, 10) == [1, 2, 3]


def test_nobody_is_dealt_when_nobody_waits_or_there_is_no_place() -> None:
    """Nothing comes of nothing."""
    assert Dealer().deal({}, 3) == []
    assert Dealer().deal({"": [1], "main": [2]}, 0) == []


def test_each_lane_has_its_turn_when_there_is_one_place_at_a_time() -> None:
    """With three lanes that always have somebody each of them gets every third place."""
    dealer = Dealer()
    turns = [dealer.deal({"": ["new"], "a": ["a"], "b": ["b"]}, 1)[0] for _ in range(9)]
    assert turns[:3] == turns[3:6] == turns[6:]
    assert sorted(turns[:3]) == ["a", "b", "new"]


def test_turn_goes_on_when_the_lane_that_had_it_is_gone() -> None:
    """A lane whose backlog is done leaves no gap, and no other one loses its turn."""
    dealer = Dealer()
    assert dealer.deal({"": ["new"], "a": ["a"], "b": ["b"]}, 1) == ["a"]
    assert dealer.deal({"": ["new"], "b": ["b"]}, 1) == ["b"]
    assert dealer.deal({"": ["new"], "c": ["c"]}, 1) == ["c"]
    assert dealer.deal({"": ["new"], "c": ["c"]}, 1) == ["new"]
