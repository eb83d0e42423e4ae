"""The process that runs the embedded PostgreSQL is killed while another one uses it: the other one takes over."""

import asyncio
import random
from functools import partial
from pathlib import Path

from db.embedded import EmbeddedPostgres
from tests.faults.frontends import Frontend, Record, assert_nothing_is_lost_or_doubled, offer, visit
from tests.faults.processes import Servers, postmaster_of, until

CLIENTS = 8
WAIT_SECONDS = 2 + 8
"""Upper bound for a response, in seconds: two, plus a margin for slow machines. A failing timeout would take 30
seconds.
"""


async def test_a_second_server_takes_over_and_no_request_waits_long(
    servers: Servers, data_dir: Path, tmp_path: Path
) -> None:
    owner = await servers.start("--data-dir", str(data_dir))
    other = await servers.start("--data-dir", str(data_dir))
    record = Record()
    frontends = [Frontend([other.url], record) for _ in range(CLIENTS)]
    plans = await offer(frontends[0])
    postmaster = postmaster_of(data_dir)

    async def take_part(frontend: Frontend, draw: random.Random) -> None:
        while record.answered < 200:
            await visit(frontend, plans, draw)

    async with asyncio.TaskGroup() as tasks:
        for number, frontend in enumerate(frontends):
            tasks.create_task(take_part(frontend, random.Random(number)))
        await until(partial(has_answers, record, 60), what="mutations are done")
        record.slowest_attempt = 0.0
        await owner.kill()
        await until(partial(has_answers, record, record.answered + 60), what="the other one goes on")
    for frontend in frontends:
        await frontend.close()

    assert postmaster_of(data_dir) not in (None, postmaster)
    assert record.slowest_attempt <= WAIT_SECONDS, "an answer, or UNAVAILABLE"
    assert set(record.sent_again) <= {"200 UNAVAILABLE", "503 UNAVAILABLE"}
    with EmbeddedPostgres(data_dir) as postgres:
        await assert_nothing_is_lost_or_doubled(postgres.url, record, tmp_path)


async def has_answers(record: Record, expected: int) -> bool:
    return record.answered >= expected
