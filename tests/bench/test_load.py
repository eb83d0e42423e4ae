"""Tests that the load generator reports everything it measured."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from bench.load import Measured, Order
from bench.measuring import ROOT
from tests.support import PATIENCE_SECONDS

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
PIPE_BYTES = 65536


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readline():
        writer.write(ANSWER)
    writer.close()


async def test_a_long_line_is_whole_though_the_load_is_stopped_while_it_is_written() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1")
    order = Order(
        port=server.sockets[0].getsockname()[1],
        requests=["{}\n"] * 10_000,
        once=True,
        connections=4,
        warm_up=0.0,
        seconds=PATIENCE_SECONDS,
        window=0.4,
        server=os.getpid(),
        postmaster=os.getpid(),
    )
    load = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load"),
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=4,  # prevents reading ahead, so that the pipe fills up
    )
    assert load.stdin is not None
    assert load.stdout is not None
    line = b""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            load.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            while not is_writing(load.pid):  # noqa: ASYNC110 - only the kernel knows
                await asyncio.sleep(0.01)
            load.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.1)
            load.send_signal(signal.SIGCONT)
            while not line.endswith(b"\n"):
                line += await load.stdout.read(PIPE_BYTES)
    finally:
        load.kill()
        await load.wait()
        server.close()
    assert len(line) > PIPE_BYTES
    assert Measured(**json.loads(line)).requests == 10_000


def is_writing(pid: int) -> bool:
    """Returns True if the process is blocked because the pipe is full."""
    return "pipe_write" in Path(f"/proc/{pid}/wchan").read_text()
