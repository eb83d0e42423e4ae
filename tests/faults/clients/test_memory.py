"""Memory held by a connection after its response: the request must have been freed."""

import socket
import struct
from contextlib import ExitStack
from urllib.parse import urlsplit

from tests.cli.conftest import Served
from tests.scanners.wire import Usage

MEGABYTE = 2**20
RESET = struct.pack("ii", 1, 0)
"""Value of SO_LINGER that makes closing send a reset immediately."""

LARGE_HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (b"X: %b\r\n" % (b"y" * 300) * 90)

RESETS = 2000
IDLE = 900


def answered(served: Served) -> socket.socket:
    """Returns a connection whose only request was answered."""
    address = urlsplit(served.url)
    client = socket.create_connection((address.hostname, address.port))
    client.sendall(LARGE_HEAD)
    answer = b""
    while not answer.endswith(b"}"):
        piece = client.recv(4096)
        assert piece, answer
        answer += piece
    return client


def test_a_reset_connection_leaves_nothing(served: Served) -> None:
    for _ in range(10):
        answered(served).close()
    before = Usage.at_rest(served.process.pid)

    for _ in range(RESETS):
        with answered(served) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    # The heads of all these requests add up to 55 MB.
    assert Usage.at_rest(served.process.pid).grown(before) < 20 * MEGABYTE


def test_an_idle_connection_holds_no_head(served: Served) -> None:
    before = Usage.at_rest(served.process.pid)

    with ExitStack() as idle:
        for _ in range(IDLE):
            idle.enter_context(answered(served))
        # The heads of all these requests add up to 25 MB.
        assert Usage.at_rest(served.process.pid).grown(before) < 20 * MEGABYTE
