"""A server that runs out of file descriptors reports it, and recovers once some are free."""

import resource
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.cli.conftest import Served, servers
from tests.support import PATIENCE_SECONDS, PATIENT_ENVIRONMENT

LIMIT = 80
SAID = "out of file descriptors"


def test_a_server_says_that_it_is_out_of_file_descriptors(served_database_url: str, tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with servers(tmp_path) as serve:
        environment = {"DATABASE_URL": served_database_url, "BILLING_AUTH": "off", **PATIENT_ENVIRONMENT}
        served = serve("--no-renew", environment=environment)
        resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE, (LIMIT, hard))
        address = urlsplit(served.url)
        clients = [socket.create_connection((address.hostname, address.port)) for _ in range(LIMIT + 20)]

        deadline = time.monotonic() + PATIENCE_SECONDS
        while SAID not in served.said.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        for client in clients:
            client.close()

        assert served.said.read_text().count(SAID) == 1
        assert well_again(served)


def well_again(served: Served) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            return httpx.get(f"{served.url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            time.sleep(0.1)
    return False
