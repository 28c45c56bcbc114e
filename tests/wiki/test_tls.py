"""Tests that the limits of the transport apply over TLS, which is all that production uses."""

import http.server
import ssl
import threading
import time

import pytest
import requests

from testing import https_front
from testing.waiting import PATIENCE
from wiki.transport import NoAnswer, Transport


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return the path of a file with a key and a self-signed certificate for localhost."""
    return str(https_front.certificate(tmp_path_factory.mktemp("tls") / "both.pem"))


class SlowHandler(http.server.BaseHTTPRequestHandler):
    """Answer /fine at once, and anything else one byte at a time without end."""

    def do_GET(self):
        self.send_response(200)
        if self.path == "/fine":
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"fine")
            return
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(certificate):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler)
    server.daemon_threads, server.block_on_close = True, False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(url: str, verify: bool | str, seconds: float) -> bytes:
    transport = Transport("WikiVisage/test", max_concurrent=1, timeout=(PATIENCE, PATIENCE), verify=verify)
    try:
        return transport.request(requests.Request("GET", url), most_bytes=10_000, seconds=seconds).body
    finally:
        transport.close()


def test_answer_is_read_over_tls(address, certificate):
    assert ask(f"{address}/fine", certificate, PATIENCE) == b"fine"


def test_request_over_tls_times_out_if_the_bytes_arrive_slowly(address, certificate):
    """Without the limit it would last eight minutes, until 10,000 bytes have arrived."""
    with pytest.raises(NoAnswer) as caught:
        ask(f"{address}/drip", certificate, 2.0)
    assert (caught.value.why, caught.value.sent) == ("timeout", True)


def test_unknown_certificate_is_rejected_before_anything_is_sent(address):
    with pytest.raises(NoAnswer) as caught:
        ask(f"{address}/fine", True, PATIENCE)
    assert (caught.value.why, caught.value.sent) == ("network", False)
