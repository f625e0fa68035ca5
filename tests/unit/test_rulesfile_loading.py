"""Loading a rules file: what a good one becomes, and every mistake with its position."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge_bridge.errors import Impossible, RulesError
from badge_bridge.events import CALL_TYPES
from badge_bridge.rulesfile import RulesFile, parse, read_file
from badge_bridge.sources import OPTIONS, event_types
from support.option_models import ENVIRON, PROVIDERS

DATA = Path(__file__).parents[1] / "data" / "rules"
SMALLEST = (DATA / "smallest.yaml").read_text("utf-8")
EXAMPLE = (DATA / "example.yaml").read_text("utf-8")


def rules(text: str, environ: Mapping[str, str] | None = ENVIRON) -> RulesFile:
    return parse(text, "r", providers=PROVIDERS, environ=environ)


def findings(text: str, environ: Mapping[str, str] | None = ENVIRON) -> list[str]:
    with pytest.raises(RulesError) as caught:
        rules(text, environ)
    return [str(finding) for finding in caught.value.findings]


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_the_smallest_file_is_enough_when_loaded() -> None:
    """One portal, source, badge and rule; the badge's code is its name behind our prefix."""
    loaded = parse(read_file(DATA / "smallest.yaml"), str(DATA / "smallest.yaml"), providers=PROVIDERS, environ=ENVIRON)
    assert loaded.portals["main"].url == "https://acme.bitrix24.com"
    assert loaded.badges["missedCall"].code == "bb_missedCall"
    (rule,) = loaded.rules
    assert (rule.name, rule.on, rule.sources, rule.portal, rule.badge) == (
        "missed call", ("call.missed",), (), "main", "missedCall",
    )  # fmt: skip


@pytest.mark.parametrize("limits", ["fast", "5", "[]"])
def test_every_way_to_write_limits_is_named_when_it_is_none_of_them(limits: str) -> None:
    """A plan's name that does not exist is told of numbers as well."""
    webhook = 'webhook: "${B24_WEBHOOK_URL}"\n'
    (found,) = findings(changed(SMALLEST, webhook, f"{webhook}    limits: {limits}\n"))
    assert "write standard, enterprise or {rate: 2, burst: 50}" in found


def test_the_example_is_loaded_with_everything_it_says() -> None:
    """Languages, codes, several secrets, several types and conditions arrive as they are written."""
    loaded = rules(EXAMPLE)
    token = loaded.portals["main"].access_token
    assert token is not None
    assert token.get_secret_value() == ENVIRON["B24_ACCESS_TOKEN"]
    assert loaded.portals["main"].webhook is None
    assert loaded.badges["missedCall"].value == {"en": "Missed", "de": "Verpasst"}
    assert loaded.badges["paid"].code == "shop_paid"
    assert [rule.on for rule in loaded.rules] == [("call.missed",), ("order.paid", "order.settled.*"), ("*",)]
    assert loaded.rules[1].when == "has(event.data.total)\n&& double(event.data.total) > 100.0\n"
    assert [type(source) for source in loaded.sources.values()] == [PROVIDERS["phone"], PROVIDERS["form"]]


def test_the_hash_is_that_of_the_bytes_when_loaded() -> None:
    """The hash names the file as it is on disk, comments included."""
    assert rules(EXAMPLE).hash == hashlib.sha256(EXAMPLE.encode()).hexdigest()[:16]
    assert rules(EXAMPLE + "# x\n").hash != rules(EXAMPLE).hash


def test_every_mistake_is_reported_when_there_are_many() -> None:
    """A file with mistakes of every kind gives all of them at once, in the order of the file."""
    with pytest.raises(RulesError) as caught:
        parse(read_file(DATA / "mistakes.yaml"), str(DATA / "mistakes.yaml"), providers=PROVIDERS, environ=ENVIRON)
    found = [str(finding).replace(f"{DATA}/", "") for finding in caught.value.findings]
    assert found == (DATA / "mistakes.findings.txt").read_text("utf-8").splitlines()


def test_a_file_that_cannot_be_opened_is_a_finding() -> None:
    """A wrong path ends like any other mistake, without a position."""
    with pytest.raises(RulesError) as caught:
        parse(read_file(DATA / "absent.yaml"), str(DATA / "absent.yaml"), providers=PROVIDERS, environ=ENVIRON)
    (finding,) = caught.value.findings
    assert (finding.line, finding.column) == (0, 0)
    assert "No such file" in finding.message


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A running bridge looks at its rules file again and again; what is typed into a shell as <(...) is read."""
    os.mkfifo(tmp_path / "rules.yaml")
    with pytest.raises(RulesError, match="cannot be read \\(it is a pipe\\)"):
        read_file(tmp_path / "rules.yaml")
    reader, writer = os.pipe()
    os.write(writer, SMALLEST.encode())
    os.close(writer)
    assert read_file(f"/dev/fd/{reader}") == SMALLEST.encode()
    os.close(reader)


def test_a_file_without_end_is_read_no_further_than_a_rules_file_may_be_long() -> None:
    """As a device, or a log that was named by mistake."""
    with pytest.raises(RulesError) as caught:
        parse(read_file("/dev/zero"), "/dev/zero", providers=PROVIDERS, environ=ENVIRON)
    (finding,) = caught.value.findings
    assert "more than 1048576 bytes" in finding.message


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("rules:\n", "retention: 90 days\nrules:\n", "r:13:12: 'retention' must hold keys and values; write them below it, indented"),
        ("rules:\n", "retention: {events: 90}\nrules:\n", "r:13:21: a number alone does not say how long; write it in days or weeks, such as 90 days"),
        ("rules:\n", "retention:\n  events: 90 dayz\nrules:\n", "r:14:11: this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"),
        ("rules:\n", "retention: {events: 0 days}\nrules:\n", "r:13:21: this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"),
        ("rules:\n", "retention: {events: 10000 weeks}\nrules:\n", "r:13:21: this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"),
        ("rules:\n", "retention: {events: 12 Weeks}\nrules:\n", "r:13:21: this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"),
        ("rules:\n", "retention: {events: [1]}\nrules:\n", "r:13:21: this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"),
        ("rules:\n", "retention: {events: {a: 1}}\nrules:\n", "r:13:13: this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"),
        ("rules:\n", "retention: {events: }\nrules:\n", "r:13:21: this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"),
        ("rules:\n", "retention: {events: true}\nrules:\n", "r:13:21: this is no length of time; write up to 9999 days or weeks in small letters, such as 90 days, or keep for no end"),
        ("rules:\n", "retention: {event: 9 days}\nrules:\n", "r:13:13: there is no key 'event' here; did you mean 'events'?"),
        ("rules:\n", "rule:\n", "r:13:1: there is no key 'rule' here; did you mean 'rules'?"),
        ("    on: call.missed\n", "", "r:14:5: 'on' is missing in rule 1; add on: with a type of events, such as call.missed"),
        ("on: call.missed", "on: []", "r:15:9: 'on' must not be empty; add at least one"),
        ("on: call.missed", "on: [call.missed, 3]", "r:15:23: 'on' must be a text; put quotes around it"),
        ("on: call.missed", "on: call missed", "r:15:9: this is no event type; write one such as call.missed, with * only at its end and no spaces"),
        ("badge: missedCall", "badge: {a: b}", "r:16:5: 'badge' must be a text; put quotes around it"),
        ("on: call.missed", "on: call.", "r:15:9: this is no event type; write one such as call.missed, with * only at its end and no spaces"),
        ("on: call.missed", "on: [call.missed, call.mised]", "r:15:23: no call has the type 'call.mised'; did you mean 'call.missed'?"),
        ("on: call.missed", "on: call.xyz", "r:15:9: no call has the type 'call.xyz'; known are call.missed, call.answered, call.voicemail, call.busy, call.rejected, call.failed, call.unknown"),
        ("    type: failure", "    type: Failure", "r:12:11: 'type' must be 'success', 'failure', 'warning', 'primary' or 'secondary'; did you mean 'failure'?"),
        ("    title: Call status", "    title: {}", "r:10:5: 'title' must not be empty; add at least one"),
        ("    title: Call status", "    title: {en: '  '}", "r:10:17: this must not be empty; write a text"),
        ("    title: Call status", "    titel: Call status", "r:10:5: there is no key 'titel' here; did you mean 'title'?"),
        ("    title: Call status", "    code: 'a b'\n    title: x", "r:10:11: a badge's code has at most 30 letters, digits and the signs _ . : -; write it so"),
        ("  missedCall:\n", "  aBadgeWithAVeryLongNameOfIts:\n", "r:9:3: with bb_ before it this name is longer than the 30 characters that a portal takes as a code; shorten it, or add code: with a shorter one|r:16:12: there is no badge 'missedCall'; known are aBadgeWithAVeryLongNameOfIts"),
        ("  missedCall:\n", "  missed call:\n", "r:9:3: a name has at most 63 letters, digits, - and _; write it so|r:16:12: there is no badge 'missedCall'; did you mean 'missed call'?"),
        ("    provider: phone\n", "", "r:5:3: 'provider' is missing in source 'reception'; add provider: with one of form, phone"),
        ("    provider: phone\n", "    provider: phone\n    timeout: '5'\n", "r:7:14: 'timeout' must be a whole number; write it without quotes"),
        ("    secrets: [", "    secret: [", "r:7:5: there is no key 'secret' here; did you mean 'secrets'?"),
        ("    provider: phone\n", "    provider: phone\n    time_out: 5\n", "r:7:5: there is no key 'time_out' here; did you mean 'timeout'?"),
        ('  reception:\n    provider: phone\n    secrets: ["${PHONE_SECRET}"]\n', "  reception: phone\n", "r:5:3: 'reception' must hold keys and values; write provider: and its options below it"),
        ('sources:\n  reception:\n    provider: phone\n    secrets: ["${PHONE_SECRET}"]\n', "sources: {}\n", "r:4:1: 'sources' must not be empty; add at least one"),
        ('sources:\n  reception:\n    provider: phone\n    secrets: ["${PHONE_SECRET}"]\n', "sources:\n", "r:4:9: 'sources' must hold keys and values; write them below it, indented"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', "    url: https://acme.bitrix24.com\n", 'r:2:3: a portal needs webhook or oauth; add webhook: "${NAME}", or url and oauth'),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    oauth: {access_token: "${B24_ACCESS_TOKEN}"}\n', "r:2:3: oauth needs the portal's address; add url: https://..."),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    webhook: "${B24_WEBHOOK_URL}"\n    url: https://other.bitrix24.com\n', "r:2:3: url and webhook name different hosts; remove url, the webhook has the address"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: acme.bitrix24.com\n    oauth: {access_token: "${B24_ACCESS_TOKEN}"}\n', "r:3:10: this is not a URL; write one such as https://acme.bitrix24.com"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://a:b@acme.bitrix24.com\n    oauth: {access_token: "${B24_ACCESS_TOKEN}"}\n', "r:3:10: the URL must have no user name, question mark or # in it; remove them"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://acme.bitrix24.com/rest\n    oauth: {access_token: "${B24_ACCESS_TOKEN}"}\n', "r:3:10: a portal's url ends after the host name; write it such as https://acme.bitrix24.com"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://acme.bitrix24.com\n    oauth: {client_id: "${B24_ACCESS_TOKEN}"}\n', "r:4:5: client_id needs the application's client_secret; add client_secret: \"${NAME}\""),
        ("badge: missedCall\n", "badge: missedCall\n  - name: b\n    on: x\n    when: 1/0 == 1\n    badge: missedCall\n", "r:19:12: division by zero"),
        ("badge: missedCall\n", "badge: missedCall\n    when: event.time.getHours('Berlin') == 1\n", "r:17:11: this system does not know the time zone; write a name such as 'Europe/Berlin'"),
        ("badge: missedCall\n", "badge: missedCall\n    when: ''\n", "r:17:11: 'when' must not be empty; fill it in"),
        ("badge: missedCall\n", "badge: missedCall\n    when: true\n", "r:17:11: 'when' must be a text; put quotes around it"),
        ("badge: missedCall\n", "badge: missedCall\n    portal: maim\n", "r:17:13: there is no portal 'maim'; did you mean 'main'?"),
        ("badge: missedCall\n", "badge: missedCall\n  - just text\n", "r:17:5: 'rules' must hold keys and values; write them below it, indented"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_position_when_loaded(old: str, new: str, found: str) -> None:
    """One mistake gives its findings and no others."""
    assert findings(changed(SMALLEST, old, new)) == sorted(found.split("|"), key=_place)


def _place(finding: str) -> tuple[int, int]:
    _, line, column, _ = finding.split(":", 3)
    return int(line), int(column)


@pytest.mark.parametrize(
    "condition",
    [
        "event.duration < 5",
        "event.data.order.total > 100",
        "int(event.line) > 3",
        "100 / event.duration > 2",
        "event.caller.matches(event.line)",
        "event.data.items[0].price > 1.0",
        "event.time.getHours('Europe/Berlin') < 6",
    ],
)
def test_a_condition_is_accepted_when_only_some_events_lack_its_values(condition: str) -> None:
    """The trial before use refuses no condition that an event can satisfy."""
    assert rules(SMALLEST + f'    when: "{condition}"\n').rules[0].when == condition


@pytest.mark.parametrize(
    "condition",
    [
        "event.caller.matches('[')",
        "event.duration / 0 > 1",
        "timestamp('x') < event.time",
        "duration('3') == duration('3s')",
    ],
)
def test_a_condition_is_refused_when_no_event_can_satisfy_it(condition: str) -> None:
    """A bad constant is found before the first call comes in."""
    (found,) = findings(SMALLEST + f'    when: "{condition}"\n')
    assert found.startswith("r:17:")


@pytest.mark.parametrize(
    ("provider", "on", "told"),
    [
        ("fone", "call.mised", True),  # phone is meant, whose calls have our types alone
        ("fone", "call.parked", True),
        ("frm", "call.mised", False),  # form is meant, whose types are the file's
        ("somebody", "call.mised", True),
        ("somebody", "call.parked", False),
    ],
)
def test_a_mistyped_type_is_told_beside_a_mistyped_provider(provider: str, on: str, told: bool) -> None:
    """Whoever corrects one should not meet the other afterwards; what may be right under another provider is not told."""
    text = changed(changed(SMALLEST, "provider: phone", f"provider: {provider}"), "on: call.missed", f"on: {on}")
    assert sum(f"no call has the type '{on}'" in one for one in findings(text)) == told


@pytest.mark.parametrize(
    ("provider", "line", "found"),
    [
        ("fone", "    time_out: 5", ["there is no provider 'fone'; did you mean 'phone'?", "there is no key 'time_out' here; did you mean 'timeout'?"]),
        ("fone", "    timeout: '5'", ["there is no provider 'fone'; did you mean 'phone'?", "'timeout' must be a whole number; write it without quotes"]),
        ("somebody", "    time_out: 5", ["there is no provider 'somebody'; known are form, phone (more may be told of this source when that is mended)", "there is no key 'time_out' here; did you mean 'timeout'?"]),
        ("somebody", "    timeout: '5'", ["there is no provider 'somebody'; known are form, phone (more may be told of this source when that is mended)"]),
    ],
)  # fmt: skip
def test_a_mistyped_option_is_told_beside_a_mistyped_provider(provider: str, line: str, found: list[str]) -> None:
    """By the provider that is probably meant; where none is near, a key that no provider has, and that there may be more."""
    text = changed(SMALLEST, "    provider: phone\n", f"    provider: {provider}\n{line}\n")
    assert [one.split(": ", 1)[1] for one in findings(text)] == found


def test_a_key_that_there_is_not_is_told_when_it_holds_an_alias() -> None:
    """Both are mistakes: the alias, and the key."""
    found = findings(SMALLEST + "foo: *x\n")
    assert [one.partition(": ")[2].partition(";")[0] for one in found] == [
        "there is no key 'foo' here",
        "'*x' would repeat another value, which a rules file cannot",
    ]


@pytest.mark.parametrize(
    ("source", "on", "refused"),
    [
        ("reception", "call.parked", True),
        ("[reception]", "call.parked", True),
        ("shop", "call.parked", False),
        ("[reception, shop]", "call.parked", False),
        (None, "call.parked", False),
        ("reception", "call.parked*", False),
        ("reception", "call.parked.*", False),
        ("reception", "calls.parked", False),
    ],
)
def test_a_type_of_call_is_refused_when_no_source_can_give_it(source: str | None, on: str, refused: bool) -> None:
    """Only a source whose types the file chooses can give a call another type than the known ones."""
    rule = f"  - name: x\n    on: '{on}'\n    badge: paid\n" + (f"    source: {source}\n" if source else "")
    if refused:
        assert [found.partition(": ")[2] for found in findings(EXAMPLE + rule)] == [
            "no call has the type 'call.parked'; known are " + ", ".join(CALL_TYPES)
        ]
    else:
        assert rules(EXAMPLE + rule).rules[-1].on == (on,)


@pytest.mark.parametrize("provider", sorted(OPTIONS))
def test_every_provider_says_whether_the_file_names_its_types(provider: str) -> None:
    """The check above knows the real providers: `generic` takes the types that the file gives it, and CloudEvents has
    those of its producers; the others have their own.
    """
    assert getattr(OPTIONS[provider], "names_types", None) is (provider in ("generic", "cloudevents"))


@pytest.mark.parametrize(
    "kind",
    [
        "call.missed",
        "a",
        "a.b.c",
        "\u00fc.\u00f6",
        "call.",
        ".call",
        "a..b",
        "a b",
        "a*",
        "a.*",
        "",
        "a\n",
        "a\x00b",
        "a\u00a0",
    ],
)
def test_a_type_is_taken_by_rules_when_sources_take_it(kind: str) -> None:
    """Sources and rules have one notion of a type: what a delivery may be called, a rule can name."""
    try:
        by_sources = event_types.check_type(kind, field="type") == kind
    except Impossible:
        by_sources = False
    text = changed(SMALLEST, "on: call.missed", f"on: {json.dumps(kind)}")
    try:
        rules(text)
        by_rules = "*" not in kind
    except RulesError as error:
        by_rules = not any("no event type" in str(found) for found in error.findings)
    assert by_rules is by_sources


@pytest.mark.parametrize("source", ["[[a]]", "[{a: b}]", "[3]"])
def test_a_source_that_is_no_name_is_a_finding(source: str) -> None:
    """A list or a mapping where a name belongs ends like any other mistake."""
    found = findings(changed(EXAMPLE, "source: reception", f"source: {source}"))
    assert len(found) == 1
    assert "must be a text" in found[0]


def test_an_expression_of_a_provider_is_placed_when_it_is_wrong() -> None:
    """Expressions that a provider's options compile are reported at their place, like conditions."""
    found = findings(changed(EXAMPLE, "id: body.id", 'id: "bdy.id"'))
    assert found == ["r:16:50: there is no 'bdy'; did you mean 'body'?"]


def test_the_mistakes_of_a_broken_entry_do_not_hide_others() -> None:
    """Names of broken entries still count as being there, and references are checked beside shapes."""
    text = changed(EXAMPLE, "    type: failure", "    type: red")
    text = changed(text, "source: reception", "source: receptoin")
    assert [_place(found) for found in findings(text)] == [(22, 11), (32, 13)]


def test_the_list_of_mistakes_ends_when_there_are_too_many() -> None:
    """A hostile file cannot produce an endless report."""
    found = findings("a: 1\n" * 1000)
    assert len(found) == 200
    assert "more mistakes" in found[-1]


BYTES = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet="ab:-[]{}!&*'\"|>%@`#,? \n\t$~0é", max_size=60).map(str.encode),
)


@settings(max_examples=400, deadline=None)
@given(BYTES)
def test_any_bytes_are_a_file_or_findings(content: bytes) -> None:
    """Whatever is in a file, loading ends in findings and never in another error."""
    with pytest.raises(RulesError) as caught:
        parse(content, "r", providers=PROVIDERS, environ=ENVIRON)
    assert caught.value.findings


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_file_is_a_file_or_findings(data: st.DataObject) -> None:
    """A good file in which something was overwritten loads or gives findings inside of the file."""
    lines = EXAMPLE.split("\n")
    start = data.draw(st.integers(0, len(EXAMPLE) - 1))
    end = data.draw(st.integers(start, min(start + 30, len(EXAMPLE))))
    put = data.draw(
        st.sampled_from(["", "null", "[]", "{}", "3", "- x", ": ", "'", "\n", "${X}", "*a", "é", "a: {b: c}"])
    )
    try:
        rules(EXAMPLE[:start] + put + EXAMPLE[end:])
    except RulesError as error:
        assert all(1 <= finding.line <= len(lines) + 2 for finding in error.findings)  # noqa: PT017


def test_two_rules_are_refused_when_their_names_look_the_same() -> None:
    """An accent may be a part of its letter or stand behind it; nobody could tell which rule did something."""
    names = ("\u00e9t\u00e9", "e\u0301te\u0301")
    written = "".join(f"  - {{name: {name}, on: call.missed, badge: paid}}\n" for name in names)
    found = findings(f"badges: {{paid: {{title: A, value: B}}}}\nrules:\n{written}")
    assert any(f"the rule in line 3 already has the name '{names[1]}'; choose another" in one for one in found)
