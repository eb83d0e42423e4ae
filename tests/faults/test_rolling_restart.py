"""Two servers are restarted one after the other under load: no request fails."""

import signal
from pathlib import Path

from tests.faults.frontends import Frontend, Record, assert_nothing_is_lost_or_doubled, at_work
from tests.faults.processes import Servers

CLIENTS = 8


async def test_no_request_fails_while_two_servers_are_restarted_in_turn(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    pair = [await servers.start(DATABASE_URL=database_url) for _ in range(2)]
    record = Record()
    frontends = [Frontend([server.url for server in pair], record, first=number) for number in range(CLIENTS)]
    async with at_work(frontends):
        for server in pair:
            before = record.answered
            server.send(signal.SIGTERM)
            assert await server.ended() == 0
            assert record.answered > before, "the other one serves meanwhile"
            server.start()
            await server.ready()
    assert record.answered > 100
    assert set(record.sent_again) & {"ConnectError", "RemoteProtocolError", "ReadError"}, "none was turned away"
    await assert_nothing_is_lost_or_doubled(database_url, record, tmp_path)
