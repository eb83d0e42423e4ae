"""Monitors file descriptors: without a free one, a process accepts no connections, and its event loop logs nothing."""

import asyncio
import errno
import logging
import os

logger = logging.getLogger("billing.serve")

DESCRIPTOR_CHECK_SECONDS = 1
SAID_AGAIN_SECONDS = 60


async def watch_descriptors() -> None:
    """Logs an error when the process runs out of file descriptors, and repeats it every minute while that lasts."""
    silent_for = 0
    while True:
        silent_for = max(0, silent_for - DESCRIPTOR_CHECK_SECONDS)
        if is_out_of_descriptors():
            if not silent_for:
                logger.error("out of file descriptors: new connections are not accepted; raise the limit (LimitNOFILE)")
                silent_for = SAID_AGAIN_SECONDS
        else:
            silent_for = 0
        await asyncio.sleep(DESCRIPTOR_CHECK_SECONDS)


def is_out_of_descriptors() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False
