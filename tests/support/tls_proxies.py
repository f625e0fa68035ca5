"""The README's TLS proxies, as it configures them, on a free port before any address."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from support.programs import free_port, program, until
from support.readme_files import installed, readme_file

__all__ = ["HOST", "PROXIES", "TlsProxy", "running_proxy"]

HOST = "bridge.example.com"


@dataclass(frozen=True)
class TlsProxy:
    port: int
    trusted: ssl.SSLContext
    folder: Path

    @contextmanager
    def connected(self) -> Iterator[ssl.SSLSocket]:
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain,
            self.trusted.wrap_socket(plain, server_hostname=HOST) as connection,
        ):
            yield connection

    def say(self, request: bytes) -> tuple[int, bytes]:
        """The status and the whole answer to a request, byte for byte as it is; the proxy ends the connection."""
        with self.connected() as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65_536):
                answer += chunk
        return int(answer.split(None, 2)[1]), answer

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> int:
        """The status of the answer; `target` is sent as it is, dots and all."""
        given = {"Host": HOST, "Connection": "close", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        status, _ = self.say(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return status


def _nginx(folder: Path, port: int, upstream: str, certificate: str) -> list[str]:
    """In one process of this user, with what Debian's nginx.conf has around the README's file."""
    file = installed(
        readme_file("/etc/nginx/conf.d/badge-bridge.conf"),
        {
            "/etc/letsencrypt/live/bridge.example.com/fullchain.pem": certificate,
            "/etc/letsencrypt/live/bridge.example.com/privkey.pem": certificate,
            "/var/log/nginx": str(folder),
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "listen [::]:443 ssl;": "",
            "http://127.0.0.1:8080": upstream,
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    whole = f"daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n{temporary}{file}\n}}\n"
    (folder / "nginx.conf").write_text(whole)
    return ["-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _caddy(folder: Path, port: int, upstream: str, certificate: str) -> list[str]:
    """Without its control port, and with a certificate of ours instead of the one that it would fetch."""
    file = installed(
        readme_file("/etc/caddy/Caddyfile"),
        {
            "{\n\tservers {": "{\n    admin off\n    auto_https disable_redirects\n\tservers {",
            f"{HOST} {{": f"https://{HOST}:{port} {{\n    bind 127.0.0.1\n    tls {certificate} {certificate}",
            "127.0.0.1:8080": upstream.removeprefix("http://"),
        },
    )
    (folder / "Caddyfile").write_text(file)
    return ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES: Mapping[str, Callable[[Path, int, str, str], list[str]]] = {"nginx": _nginx, "caddy": _caddy}


@contextmanager
def running_proxy(name: str, executable: str, folder: Path, upstream: str) -> Iterator[TlsProxy]:
    authority = trustme.CA()
    certificate = folder / "certificate.pem"
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    port = free_port()
    command = [executable, *PROXIES[name](folder, port, upstream, str(certificate))]
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": os.defpath}
    with program(command, env=home, cwd=folder):
        until(lambda: _listens(port), what=f"{name} on port {port}")
        yield TlsProxy(port, trusted, folder)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
