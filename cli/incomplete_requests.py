"""Limits the memory for incomplete requests across all connections of this process."""

from collections.abc import Callable

MAX_INCOMPLETE_BYTES = 16 * 2**20
"""Maximum number of bytes that a process holds for incomplete requests."""


class IncompleteRequests:
    """Counts the bytes of incomplete requests by client address and connection.

    Above the limit, rejects the oldest request of the address that holds the most bytes. So one client cannot crowd out
    the others.
    """

    def __init__(self, limit: int = MAX_INCOMPLETE_BYTES) -> None:
        self._limit = limit
        self._total = 0
        self._totals: dict[str, int] = {}
        """Number of bytes by client address."""
        self._sizes: dict[str, dict[Callable[[], None], int]] = {}
        """For each client address, the number of bytes by the callback that rejects the request, oldest first."""

    def add(self, address: str, give_up: Callable[[], None], size: int) -> None:
        """Adds `size` bytes to the request that `give_up` rejects. May reject this request or others."""
        sizes = self._sizes.setdefault(address, {})
        sizes[give_up] = sizes.get(give_up, 0) + size
        self._totals[address] = self._totals.get(address, 0) + size
        self._total += size
        while self._total > self._limit:
            largest = max(self._totals, key=self._totals.__getitem__)
            oldest = next(iter(self._sizes[largest]))
            self.drop(largest, oldest)
            oldest()

    def drop(self, address: str, give_up: Callable[[], None]) -> None:
        """Removes a request that has arrived completely or was rejected."""
        sizes = self._sizes.get(address)
        size = sizes.pop(give_up, 0) if sizes else 0
        self._total -= size
        if not sizes:
            self._sizes.pop(address, None)
            self._totals.pop(address, None)
        else:
            self._totals[address] -= size
