"""An HTTPS reverse proxy like the platform's: it adds X-Forwarded-* headers and forwards each request."""

import datetime as dt
import http.client
import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# Headers that apply to a single connection and must not be forwarded by a proxy (RFC 9110, section 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


def certificate(path: Path, host: str = "localhost") -> Path:
    """Write a private key and a self-signed certificate for `host`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Passing(http.server.BaseHTTPRequestHandler):
    """Forward one request to the process behind the proxy and return its response."""

    behind = 0  # port of the process behind the proxy

    def do_GET(self) -> None:
        """Forward a request of any method."""
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= {"X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": "https"}
        headers["X-Forwarded-Host"] = self.headers["Host"]
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=120)
        connection.request(self.command, self.path, sent, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_POST = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def https(port: int, behind: int, both: Path) -> Iterator[str]:
    """Run the proxy on `port` in front of `behind`; `both` is the file with key and certificate. Yields its address."""
    handler = type("Handler", (Passing,), {"behind": behind})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads, server.block_on_close = True, False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
