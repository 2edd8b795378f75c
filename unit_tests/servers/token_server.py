"""A server that gives access tokens, and answers as an empty-handed storage to whoever shows the latest one."""

from __future__ import annotations

import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from servers.process import HOST

GCS_PAGE = {
    "kind": "storage#objects",
    "items": [{"name": "a.csv", "size": "1", "updated": "2026-01-02T03:04:05.6Z", "generation": "7"}],
}
AZURE_PAGE = (
    "<?xml version='1.0'?><EnumerationResults><Blobs><Blob><Name>a.csv</Name><Properties><Content-Length>1"
    "</Content-Length><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified><Etag>0x7</Etag></Properties></Blob>"
    "</Blobs><NextMarker/></EnumerationResults>"
)


class Asked(NamedTuple):
    """One request that came in.

    Attributes:
        path: Without the query.
        query: Of the path, or of a form in the body.
        authorization: The header, or "".
    """

    path: str
    query: dict[str, str]
    authorization: str


class TokenServer:
    """Gives a new token for each request that asks for one, and a page of one file to requests that carry the latest.

    Attributes:
        url: Where it listens.
        asked: All requests, in order.
        refuse: Status and JSON that token requests are answered with instead, if not None.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        """Start the server; with a certificate file that `certificate_for_localhost` made, it speaks https."""
        self.asked: list[Asked] = []
        self.refuse: tuple[int, dict[str, str]] | None = None
        self._given = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://{HOST}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def token(self) -> str:
        """The latest token; the only one that is good."""
        return f"secret-access-token-{self._given}"

    def expire(self) -> None:
        """Make the latest token bad."""
        self._given += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _answer(self, method: str, path: str, query: dict[str, str], authorization: str) -> tuple[int, str, str]:
        """Status, media type and text of the answer to one request."""
        with self._lock:
            self.asked.append(Asked(path, query, authorization))
            if path.endswith("/.well-known/openid-configuration"):
                tenant = f"{self.url}/{path.split('/')[1]}"
                places = {
                    "issuer": f"{tenant}/v2.0",
                    "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{tenant}/oauth2/v2.0/token",
                }
                return 200, "application/json", json.dumps(places)
            if path.endswith("/token"):
                if self.refuse is not None:
                    return self.refuse[0], "application/json", json.dumps(self.refuse[1])
                self._given += 1
                expires = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
                token = {"access_token": self.token, "expires_in": 3600, "expires_on": expires, "token_type": "Bearer"}
                return 200, "application/json", json.dumps(token)
            if authorization != f"Bearer {self.token}":
                return 401, "application/json", json.dumps({"error": {"code": 401, "message": "Invalid Credentials"}})
            if path.startswith("/storage/v1/"):
                return 200, "application/json", json.dumps(GCS_PAGE)
            return 200, "application/xml", AZURE_PAGE

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                path, query = urlsplit(self.path).path, urlsplit(self.path).query
                fields = {name: values[0] for name, values in parse_qs(query or body).items()}
                authorization = self.headers.get("Authorization", "")
                status, kind, text = owner._answer(self.command, path, fields, authorization)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = _serve

            def log_message(self, *_: object) -> None:
                """Silence."""

        return Handler


def certificate_for_localhost(folder: Path) -> Path:
    """A file with a key and a certificate for the loopback address that it signed itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(text + certificate.public_bytes(serialization.Encoding.PEM))
    return file
