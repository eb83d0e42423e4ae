"""Hooks before and after each commit of this process. They wrap the transactions of the database driver."""

from collections.abc import Callable

from asyncpg.transaction import Transaction


def nothing() -> None:
    pass


def tell_of_commits(*, before: Callable[[], object] = nothing, after: Callable[[], object] = nothing) -> None:
    """Calls `before` and `after` around each commit from now on."""
    commit = Transaction.commit

    async def told(transaction: Transaction) -> None:
        before()
        await commit(transaction)
        after()

    Transaction.commit = told  # type: ignore[assignment, method-assign]
