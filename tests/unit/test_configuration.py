"""From the settings to rules and keys, wherever these are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from badge_bridge.configuration import EARLIER, Before, Google, configured, rules_before, without_secrets
from badge_bridge.errors import GoogleError, RulesError, SettingsError
from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import RulesFile, rules_hash
from badge_bridge.settings import Settings
from support.google import TOKEN, FakeGoogle

RULES = """
portals:
  main:
    webhook: sm://webhook
sources:
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["sm://pbx", "${SECOND}"]
    event: {type: body.type, id: body.id}
badges:
  missed: {title: Call, value: Missed, type: failure}
rules:
  - {name: missed, on: call.missed, badge: missed}
"""
URI = "gs://acme-rules/live/rules v2.yaml"
WEBHOOK = "https://acme.bitrix24.com/rest/1/hook-secret-8472/"


@pytest.fixture
def google() -> FakeGoogle:
    google = FakeGoogle()
    google.objects["acme-rules", "live/rules v2.yaml"] = RULES.encode()
    google.add("webhook", "https://acme.bitrix24.com/rest/1/hook-secret-0001/", WEBHOOK)
    google.add("pbx", "pbx-old", "pbx-new\n")
    google.add("second", "second-old", "second-new")
    return google


async def start(google: FakeGoogle, **environ: str) -> tuple[Settings, RulesFile]:
    whole: Mapping[str, str] = {
        "RULES": URI,
        "GOOGLE_CLOUD_PROJECT": "acme",
        "SECOND": "sm://second",
        **environ,
    }
    return await configured(Settings.from_environ(whole), whole, google.google)


def accepted(rules: RulesFile) -> list[str]:
    return [one.get_secret_value() for one in rules.sources["pbx"].secrets]  # type: ignore[attr-defined]


async def findings(google: FakeGoogle, **environ: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        await start(google, **environ)
    return [str(finding) for finding in caught.value.findings]


async def test_rules_and_secrets_come_from_google(google: FakeGoogle) -> None:
    """A list of secrets takes all enabled versions, also of what the environment refers to; a single secret the
    newest one.
    """
    _, rules = await start(google)
    assert rules.filename == URI
    assert sorted(accepted(rules)) == ["pbx-new", "pbx-old", "second-new", "second-old"]
    assert accepted(rules)[:2] == ["pbx-new", "second-new"]
    assert rules.portals["main"].url == "https://acme.bitrix24.com"
    assert rules.portals["main"].webhook is not None
    assert rules.portals["main"].webhook.get_secret_value() == WEBHOOK


async def test_every_value_is_given_for_redaction(google: FakeGoogle) -> None:
    """What was read from Google shows in the log no more than what the environment holds."""
    _, rules = await start(google)
    assert rules.secrets == {"pbx-new", "pbx-old", "second-new", "second-old", WEBHOOK, "hook-secret-8472"}


async def test_an_object_is_asked_for_by_its_encoded_name(google: FakeGoogle) -> None:
    """Slashes and blanks of its name are not those of the path."""
    await start(google)
    assert google.paths[0] == "/storage/v1/b/acme-rules/o/live%2Frules%20v2.yaml?alt=media"
    assert google.asked[0].url.host == "storage.googleapis.com"
    assert google.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_encryption_keys_are_read_newest_first(google: FakeGoogle) -> None:
    """All enabled versions are keys, beside those that are written out, and the newest encrypts."""
    old, new, written = new_key(), new_key(), new_key()
    google.add("key", f"{old}\n", new)
    settings, _ = await start(google, ENCRYPTION_KEY=f"sm://key, {written}")
    assert settings.encryption_keys == (new, old, written)
    settings, _ = await start(google, ENCRYPTION_KEY="sm://key/1")
    assert settings.encryption_keys == (old,)


async def test_an_encryption_key_that_cannot_be_had_is_a_wrong_setting(google: FakeGoogle) -> None:
    """The variable is named, and a value that is no key is not repeated."""
    with pytest.raises(SettingsError, match=r"^ENCRYPTION_KEY: there is no secret key of project acme"):
        await start(google, ENCRYPTION_KEY="sm://key")
    google.add("key", "no-fernet-key")
    with pytest.raises(SettingsError, match=r"^ENCRYPTION_KEY: key 1 of 1 is not a Fernet key") as caught:
        await start(google, ENCRYPTION_KEY="sm://key")
    assert "no-fernet-key" not in str(caught.value)


async def test_each_secret_that_cannot_be_had_is_a_finding_at_its_place(google: FakeGoogle) -> None:
    """With the variable, where the reference stands in one; all at once."""
    del google.secrets["pbx"], google.secrets["second"]
    gone = "there is no secret {} of project acme; create it, or correct the name (Secret [projects/123/secrets/{}] not found.)"
    assert await findings(google) == [
        f"{URI}:9:15: {gone.format('pbx', 'pbx')}",
        f"{URI}:9:27: SECOND: {gone.format('second', 'second')}",
    ]
    assert await findings(google, SECOND="sm:///second") == [
        f"{URI}:9:15: {gone.format('pbx', 'pbx')}",
        f"{URI}:9:27: SECOND: this is no reference to a secret in Secret Manager; write sm://NAME, sm://NAME/VERSION or sm://projects/PROJECT/secrets/NAME[/versions/VERSION]",
    ]


async def test_an_older_version_that_is_wrong_is_placed_at_its_reference(google: FakeGoogle) -> None:
    """What a provider says of a value that a list has in addition stands where the list was told to have it."""
    google.secrets["second"].clear()
    google.add("second", " ", "second-new")
    assert await findings(google) == [f"{URI}:9:27: this secret is empty; give it a value"]


async def test_google_that_is_away_is_tried_again(google: FakeGoogle) -> None:
    """It is no mistake of the file, and the next attempt succeeds."""
    google.down = True
    with pytest.raises(GoogleError, match="cannot be read now"):
        await start(google)
    google.down = False
    assert (await start(google))[1].rules


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("gs://acme-rules/none.yaml", "there is no such object, or no such bucket; upload it, or correct RULES"),
        ("gs://acme-rules", "this is no object of Cloud Storage; write gs://BUCKET/OBJECT"),
        ("gs://acme-rules/", "this is no object of Cloud Storage; write gs://BUCKET/OBJECT"),
        ("gs:///rules.yaml", "this is no object of Cloud Storage; write gs://BUCKET/OBJECT"),
        ("gs://acme/../rules.yaml", "there is no such object, or no such bucket; upload it, or correct RULES"),
    ],
)
async def test_an_object_that_is_not_there_is_one_finding(google: FakeGoogle, uri: str, said: str) -> None:
    """As a file that cannot be opened."""
    assert await findings(google, RULES=uri) == [f"{uri}: {said}"]


async def test_an_object_that_may_not_be_read_names_the_role(google: FakeGoogle) -> None:
    """What to grant, and on what."""
    google.forbidden.add("read")
    assert await findings(google) == [
        f"{URI}: this process may not read the object; grant its service account roles/storage.objectViewer on the bucket acme-rules"
    ]


async def test_no_secret_is_fetched_when_none_has_to_be_known(google: FakeGoogle) -> None:
    """A merge request is checked without credentials for Secret Manager."""
    environ = {"RULES": URI}
    rules = await without_secrets(Settings.from_environ(environ), environ, google.google)
    assert rules.secrets == frozenset()
    assert len(google.asked) == 1


async def test_google_is_not_asked_when_nothing_refers_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a token, as the embedded form has none to give; a file beside the code is found by its name."""

    async def no_token(_rejected: str) -> str:
        raise AssertionError

    (tmp_path / "rules.yaml").write_text(RULES.replace("sm://webhook", '"${HOOK}"').replace("sm://pbx", "${FIRST}"))
    monkeypatch.chdir(tmp_path)
    environ = {"HOOK": WEBHOOK, "FIRST": "first", "SECOND": "second"}
    _, rules = await configured(Settings.from_environ(environ), environ, Google(tokens=no_token))
    assert accepted(rules) == ["first", "second"]


async def test_a_mounted_file_is_read(google: FakeGoogle, tmp_path: Path) -> None:
    """A volume shows a link to a folder that is replaced as a whole."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "rules.yaml").write_text(RULES)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "rules.yaml").symlink_to("..data/rules.yaml")
    _, rules = await start(google, RULES=str(tmp_path / "rules.yaml"))
    assert len(accepted(rules)) == 4


async def test_emulators_get_no_token(google: FakeGoogle) -> None:
    """Their addresses come from the environment, with or without http:// before them."""
    await start(google, STORAGE_EMULATOR_HOST="http://127.0.0.1:9199/", SECRET_MANAGER_EMULATOR_HOST="127.0.0.1:9198")
    assert {request.url.netloc for request in google.asked} == {b"127.0.0.1:9199", b"127.0.0.1:9198"}
    assert not [request for request in google.asked if "authorization" in request.headers]


OBJECT = ("acme-rules", "live/rules v2.yaml")
BROKEN = b"[broken"


async def before(google: FakeGoogle, rules: str = URI) -> Before | None:
    environ = {"RULES": rules, "GOOGLE_CLOUD_PROJECT": "acme", "SECOND": "sm://second"}
    return await rules_before(Settings.from_environ(environ), environ, google.google)


async def test_newest_version_without_mistakes_is_the_one_of_before(google: FakeGoogle) -> None:
    """Over several pages and other objects whose names begin so; what was refused is told apart by its hash."""
    google.upload(*OBJECT, RULES.replace("{title: Call", "{title: Phone call").encode())
    for content in (b"[older", BROKEN):
        google.upload(*OBJECT, content)
    for _ in range(5):
        google.upload("acme-rules", "live/rules v2.yaml.old", b"other rules")
    found = await before(google)
    assert found == Before(f"{URI}#2", rules_hash(BROKEN))
    _, rules = await start(google, RULES=found.rules)
    assert rules.badges["missed"].title == "Phone call"
    assert rules.filename == f"{URI}#2"


async def test_version_that_is_asked_for_is_read(google: FakeGoogle) -> None:
    """An address with a generation, as gcloud prints it, is about that one and no other."""
    google.upload(*OBJECT, BROKEN)
    assert (await start(google, RULES=f"{URI}#1"))[1].rules
    google.upload(*OBJECT, RULES.encode())
    assert await before(google, f"{URI}#2") is None


async def test_nothing_is_before_rules_that_lack_what_is_outside_of_them(google: FakeGoogle) -> None:
    """Older rules would not be those that run: a secret that is gone was there when the file was read."""
    google.upload(*OBJECT, RULES.encode())
    del google.secrets["pbx"]
    with pytest.raises(RulesError):
        await start(google)
    assert await before(google) is None


async def test_rules_that_are_being_replaced_are_before_themselves(google: FakeGoogle) -> None:
    """The object is away for a moment, and its last version is kept."""
    google.upload(*OBJECT, RULES.encode())
    google.earlier[OBJECT].append(google.objects.pop(OBJECT))
    with pytest.raises(RulesError):
        await start(google)
    found = await before(google)
    assert found is not None
    assert (found.rules, found.refused) == (f"{URI}#{len(google.earlier[OBJECT])}", "")


async def test_nothing_is_before_rules_whose_versions_cannot_be_had(google: FakeGoogle, tmp_path: Path) -> None:
    """None is kept, none may be listed, all of those that are looked at have mistakes, or it is a plain file."""
    google.objects[OBJECT] = BROKEN
    assert await before(google) is None
    google.objects[OBJECT] = RULES.encode()
    for _ in range(EARLIER):
        google.upload(*OBJECT, BROKEN)
    assert await before(google) is not None
    google.forbidden.add("versions")
    assert await before(google) is None
    google.forbidden.clear()
    google.upload(*OBJECT, BROKEN)
    assert await before(google) is None
    (tmp_path / "rules.yaml").write_bytes(BROKEN)
    assert await before(google, str(tmp_path / "rules.yaml")) is None
