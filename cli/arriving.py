"""The requests that are on their way: this process keeps what has come of them, up to a limit for all together."""

from collections.abc import Callable

MAX_ARRIVING_BYTES = 16 * 2**20
"""Maximum number of bytes that a process keeps of requests which have not arrived as a whole."""


class Arriving:
    """Counts bytes for each connection. Beyond the limit, it gives up the request that began first."""

    def __init__(self, limit: int = MAX_ARRIVING_BYTES) -> None:
        self._limit = limit
        self._total = 0
        self._sizes: dict[Callable[[], None], int] = {}
        """By what gives the request up, in the order in which the requests began."""

    def add(self, give_up: Callable[[], None], size: int) -> None:
        """Counts `size` more bytes of a request that `give_up` refuses. It may refuse this one or others."""
        self._sizes[give_up] = self._sizes.get(give_up, 0) + size
        self._total += size
        while self._total > self._limit:
            oldest = next(iter(self._sizes))
            self.drop(oldest)
            oldest()

    def drop(self, give_up: Callable[[], None]) -> None:
        """Forgets a request that has arrived or was given up."""
        self._total -= self._sizes.pop(give_up, 0)
