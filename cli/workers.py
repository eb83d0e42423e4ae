"""Several server processes on one socket."""

import os
import signal
from socket import socket
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess


class Workers(Multiprocess):
    """uvicorn's supervisor, which starts processes that die again; this one ends them as a server of one process ends.

    It passes SIGTERM on at once, not when it looks for signals the next time, and does not keep the socket open until
    the last process has ended: new requests would wait in its queue, which nobody serves any more.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self._told: set[int] = set()
        signal.signal(signal.SIGTERM, self._pass_on)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.signal_queue.append(number)
        for pid in [process.pid for process in self.processes]:
            if pid is not None and is_signalled(pid, number):
                self._told.add(pid)

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        for process in self.processes:
            # A second signal would end it without the time to turn away who asks whether it is ready.
            if process.pid not in self._told:
                process.terminate()


def is_signalled(pid: int, number: int) -> bool:
    """Sends the signal, if the process is there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
