"""Who gives way when there is no room."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from badge_bridge.crowd import Crowd, network


@dataclass(eq=False)
class Client:
    network: str = "192.0.2.1"
    moved_on: bool = False
    awaited: bool = True

    def is_awaited(self) -> bool:
        return self.awaited


def crowd_of(*clients: Client) -> Crowd:
    crowd = Crowd()
    for client in clients:
        crowd.enter(client)
    return crowd


def ended(crowd: Crowd) -> list[Client]:
    """All who give way, one after the other."""
    order = []
    while (first := crowd.first_to_go()) is not None:
        assert isinstance(first, Client)
        crowd.leave(first)
        order.append(first)
    return order


def test_longest_waiting_one_is_first_to_go() -> None:
    """One after the other, until nobody is left."""
    clients = [Client() for _ in range(5)]
    crowd = crowd_of(*clients)
    assert ended(crowd) == clients
    assert crowd.size == 0


def test_address_with_most_connections_gives_up_its_own_when_others_have_waited_longer() -> None:
    """Until it has as few as they have."""
    few = [Client("192.0.2.1"), Client("192.0.2.1")]
    many = [Client("192.0.2.2") for _ in range(6)]
    order = ended(crowd_of(*few, *many))
    assert order[:4] == many[:4]
    assert set(order[4:]) == {*few, *many[4:]}


def test_busy_one_stays_and_is_counted_when_others_go() -> None:
    """And may have to go when it is free again, after those that have waited meanwhile."""
    busy, idle = Client(awaited=False), Client()
    crowd = crowd_of(busy, idle)
    assert ended(crowd) == [idle]
    assert crowd.size == 1
    busy.awaited = True
    assert crowd.first_to_go() is None
    late = Client()
    crowd.enter(late)
    crowd.is_free(busy)
    assert ended(crowd) == [late, busy]


def test_one_that_has_sent_a_whole_request_has_the_time_of_a_new_one() -> None:
    """Once for each; else whoever has connected first would be the first to go for good."""
    served, silent = Client(moved_on=True), Client()
    assert ended(crowd_of(served, silent)) == [silent, served]


def test_nobody_is_counted_twice_when_he_leaves_twice() -> None:
    """He gives way, and his connection ends later; the busy ones as well."""
    for client in (Client(), Client(awaited=False)):
        crowd = crowd_of(client, Client())
        crowd.first_to_go()
        crowd.leave(client)
        crowd.leave(client)
        assert crowd.size == 1


def test_a_full_house_costs_no_search_when_many_connect() -> None:
    """Each of many that come looks at one connection, whatever those before it have done."""
    looks = 0

    class Counting(Client):
        def is_awaited(self) -> bool:
            nonlocal looks
            looks += 1
            return True

    crowd = crowd_of(*(Counting(f"192.0.2.{number % 250}") for number in range(1000)))
    for number in range(5000):
        first = crowd.first_to_go()
        assert first is not None
        crowd.leave(first)
        crowd.enter(Counting(f"192.0.2.{number % 7}"))
    assert looks == 5000
    assert crowd.size == 1000


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_addresses_of_one_network_are_one(address: str, expected: str) -> None:
    """Of IPv6, whoever has one address has 64 bits of them."""
    assert network(address) == expected
