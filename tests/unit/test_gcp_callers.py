"""Who calls a function: Google's identity tokens, with keys of our own instead of Google's."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from badge_bridge.errors import GoogleError, Unauthenticated
from badge_bridge.gcp.callers import AGAIN, CERTIFICATES, LEEWAY, Callers, Certificates

NOW = 1_795_345_200.0
AUDIENCE = "https://process.example.com"
PUSH = "push@acme.iam.gserviceaccount.com"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEY, OTHER = new_key(), new_key()


class Google:
    """Publishes certificates, and counts how often they are fetched."""

    def __init__(self, **keys: rsa.RSAPrivateKey) -> None:
        self.keys = keys
        self.fetched = 0
        self.answers: list[httpx.Response] = []
        self.now = 1000.0
        self.certificates = Certificates(monotonic=lambda: self.now, transport=httpx.MockTransport(self))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == CERTIFICATES
        self.fetched += 1
        if self.answers:
            return self.answers.pop()
        keys = [
            {
                **json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())),
                "kid": kid,
                "alg": "RS256",
                "use": "sig",
            }
            for kid, key in self.keys.items()
        ]
        return httpx.Response(
            200, json={"keys": keys}, headers={"Cache-Control": "public, max-age=20000, must-revalidate"}
        )

    def callers(self, *emails: str) -> Callers:
        return Callers(emails or (PUSH,), audience=AUDIENCE, certificates=self.certificates, clock=lambda: NOW)


def bearer(key: Any = KEY, *, kid: str = "one", algorithm: str = "RS256", **claims: Any) -> str:
    given = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "email": PUSH,
        "email_verified": True,
        "iat": NOW - 60,
        "exp": NOW + 3540,
        "sub": "1",
        **claims,
    }
    said = {name: value for name, value in given.items() if value is not None}
    return "Bearer " + jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})


@pytest.mark.parametrize(
    "authorization",
    [
        bearer(),
        bearer(iss="accounts.google.com"),
        bearer(email="Push@acme.iam.gserviceaccount.com"),
        bearer(exp=NOW - LEEWAY + 1),
        bearer(iat=NOW + LEEWAY - 1),
        bearer().replace("Bearer", "bearer"),
    ],
    ids=["usual", "short issuer", "another case", "just over", "just not yet", "another scheme's case"],
)
async def test_listed_account_is_let_in(authorization: str) -> None:
    """A token that Google has made for us and for an account of the list."""
    await Google(one=KEY).callers().check(authorization)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer x.y.z",
        "Basic " + bearer().partition(" ")[2],
        bearer(OTHER),
        bearer(kid="two"),
        bearer("secret" * 10, algorithm="HS256"),
        bearer(iss="https://evil.example.com"),
        bearer(iss=None),
        bearer(aud="https://receive.example.com"),
        bearer(aud=None),
        bearer(email="stranger@acme.iam.gserviceaccount.com"),
        bearer(email=None),
        bearer(email_verified=False),
        bearer(email_verified=None),
        bearer(email_verified="true"),
        bearer(exp=NOW - LEEWAY - 1),
        bearer(exp=None),
        bearer(exp="never"),
        bearer(iat=NOW + LEEWAY + 1),
        bearer(iat=None),
        "Bearer " + "x" * 9000,
    ],
    ids=["none", "empty", "no token", "another scheme", "forged", "unknown key", "HS256", "issuer", "no issuer", "audience", "no audience", "stranger", "no e-mail", "not verified", "verification unknown", "verification as text", "over", "no end", "odd end", "from the future", "no beginning", "long"],
)  # fmt: skip
async def test_everybody_else_is_refused(authorization: str) -> None:
    """Whatever is wrong with a token, nothing is done for whoever has brought it."""
    with pytest.raises(Unauthenticated):
        await Google(one=KEY).callers().check(authorization)


async def test_certificates_are_fetched_once_while_they_are_good() -> None:
    """As long as Google says, not for every push."""
    google = Google(one=KEY)
    for _ in range(3):
        await google.callers().check(bearer())
    assert google.fetched == 1
    google.now += 20_001
    await google.callers().check(bearer())
    assert google.fetched == 2


async def test_new_key_is_looked_for_when_a_token_names_it() -> None:
    """Google changes its keys now and then; who invents ids makes us ask no more than twice a minute."""
    google = Google(one=KEY)
    await google.callers().check(bearer())
    google.keys["two"] = OTHER
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await google.callers().check(bearer(OTHER, kid="two"))
    assert google.fetched == 1
    google.now += AGAIN
    await google.callers().check(bearer(OTHER, kid="two"))
    assert google.fetched == 2


@pytest.mark.parametrize(
    "answer", [httpx.Response(500), httpx.Response(200, text="no JSON"), httpx.Response(200, json=[]), httpx.Response(200, json={"keys": []})]
)  # fmt: skip
async def test_nobody_is_judged_while_the_certificates_cannot_be_had(answer: httpx.Response) -> None:
    """That is no refusal: the call shall come again, and the next one asks again."""
    google = Google(one=KEY)
    google.answers = [answer]
    with pytest.raises(GoogleError):
        await google.callers().check(bearer())
    await google.callers().check(bearer())
