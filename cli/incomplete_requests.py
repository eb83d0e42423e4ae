"""Limits the memory for incomplete requests across all connections of this process."""

from collections.abc import Callable

MAX_INCOMPLETE_BYTES = 16 * 2**20
"""Maximum number of bytes that a process holds for incomplete requests."""


class IncompleteRequests:
    """Counts the bytes of incomplete requests by connection. Above the limit, gives up the oldest requests."""

    def __init__(self, limit: int = MAX_INCOMPLETE_BYTES) -> None:
        self._limit = limit
        self._total = 0
        self._sizes: dict[Callable[[], None], int] = {}
        """Number of bytes by the callback that gives the request up, oldest request first."""

    def add(self, give_up: Callable[[], None], size: int) -> None:
        """Adds `size` bytes to the request that `give_up` rejects. May reject this request or older ones."""
        self._sizes[give_up] = self._sizes.get(give_up, 0) + size
        self._total += size
        while self._total > self._limit:
            oldest = next(iter(self._sizes))
            self.drop(oldest)
            oldest()

    def drop(self, give_up: Callable[[], None]) -> None:
        """Removes a request that has arrived completely or was given up."""
        self._total -= self._sizes.pop(give_up, 0)
