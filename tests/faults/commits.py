"""The moments before and after each commit of this process: transactions are the driver's own."""

from collections.abc import Callable

from asyncpg.transaction import Transaction


def nothing() -> None:
    pass


def tell_of_commits(*, before: Callable[[], object] = nothing, after: Callable[[], object] = nothing) -> None:
    """Calls `before` and `after` each commit, from now on."""
    commit = Transaction.commit

    async def told(transaction: Transaction) -> None:
        before()
        await commit(transaction)
        after()

    Transaction.commit = told  # type: ignore[assignment, method-assign]
