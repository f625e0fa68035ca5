"""Key pairs for trying a source that checks with a public key, while only its sender has the private one."""

from __future__ import annotations

from collections.abc import Callable, Collection

from badge_bridge.sources.base import NoSample, SampleCall
from badge_bridge.sources.signatures import Ed25519

__all__ = ["trial_key"]


def trial_key(call: SampleCall, public_keys: Collection[bytes], written: Callable[[bytes], str]) -> bytes:
    """The private key to sign a sample with: its public key is among those of the source.

    `written` writes a public key as the source's `secrets` have it.

    Raises:
        NoSample: says what to do to have one.
    """
    if not call.private_key:
        raise NoSample(
            "it is signed with a private key that its sender alone has; --key-file FILE makes another pair for trying"
        )
    public = Ed25519.public_key(call.private_key)
    if public not in public_keys:
        raise NoSample(
            "while you try, and no longer, let the public key of that file stand in its secrets: put it into the "
            f'environment, such as TRIAL_KEY={written(public)}, and write "${{TRIAL_KEY}}" beside them'
        )
    return call.private_key
