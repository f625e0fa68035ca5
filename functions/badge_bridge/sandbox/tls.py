"""A throw-away certificate authority, for client libraries that insist on https."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from badge_bridge.sandbox.errors import SandboxError

__all__ = ["Tls", "throwaway_tls"]


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files: the authority's certificate for clients; the server's certificate and key for the server."""

    ca: Path
    server: Path


def throwaway_tls(directory: Path) -> Tls:
    """Make an authority and a server certificate for localhost, 127.0.0.1 and ::1, and write them into `directory`.

    The authority's own key is never written, so nobody can issue more certificates with it. A client is told to trust
    it for one process through the environment: `REQUESTS_CA_BUNDLE=<ca>` for requests, `SSL_CERT_FILE=<ca>` for httpx
    and everything else that uses OpenSSL's defaults, `--cacert <ca>` for curl.

    Raises:
        SandboxError: trustme is not installed, or the directory cannot be written.
    """
    try:
        import trustme  # noqa: PLC0415 - in the extra `cli`, and only needed here
    except ImportError as error:
        raise SandboxError(
            "https needs the package trustme: install badge-bridge with its extra cli, or leave out --tls"
        ) from error
    authority = trustme.CA(organization_name="Badge Bridge sandbox, throw-away")
    certificate = authority.issue_cert("localhost", "127.0.0.1", "::1")
    tls = Tls(directory / "sandbox-ca.pem", directory / "sandbox-server.pem")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tls.ca.write_bytes(authority.cert_pem.bytes())
        tls.server.unlink(missing_ok=True)
        tls.server.touch(mode=0o600)
        certificate.private_key_and_cert_chain_pem.write_to_path(str(tls.server))
    except OSError as error:
        raise SandboxError(f"{directory}: the certificates cannot be written: {error.strerror}") from error
    return tls
