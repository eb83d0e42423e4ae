"""The operations to measure, with the variables of their requests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Variables: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subjects:
    """Ids of the customers and of the plan that operations use.

    `readers` are customers of the demo data. `subscribers` have no other rows yet, and each can be subscribed once.
    """

    readers: Sequence[str]
    subscribers: Sequence[str]
    plan: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A GraphQL operation and the variables of its requests. If it `writes`, each variables can be sent only once."""

    name: str
    title: str
    document: str
    variables: Callable[[Subjects], Sequence[Variables]]
    writes: bool = False


def always(**variables: Any) -> Callable[[Subjects], Sequence[Variables]]:
    return lambda _: [variables]


NESTED = """
query Nested($first: Int!) { customers(first: $first) { nodes {
  id name email currency createdAt version
  subscriptions(first: 10) { nodes {
    id status quantity currentPeriodStart currentPeriodEnd nextBillingAt
    plan { id code name amountCents currency interval }
    invoices(first: 12) { nodes { id number status amountCents periodStart periodEnd } }
  } }
} } }
"""
ONE = """
query One($id: ID!) { customer(id: $id) {
  id name email
  subscriptions(first: 20) { nodes {
    id status plan { id name } invoices(first: 20) { nodes { id number status amountCents } }
  } }
} }
"""
FLAT = """
query Flat($first: Int!) {
  invoices(first: $first) { nodes { id number status amountCents periodStart periodEnd } }
}
"""
PAGE = """
query Page($first: Int!) { invoices(first: $first) {
  totalCount
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  edges { cursor node { id number status amountCents dueAt } }
} }
"""
DEEP = """
query Deep($first: Int!) { customers(first: $first) { nodes {
  id name
  subscriptions(first: 10) { nodes {
    id status
    invoices(first: 12) { nodes {
      id number amountCents
      lines { id description quantity unitAmountCents amountCents }
      payments { id amountCents method receivedAt }
    } }
  } }
} } }
"""
SUBSCRIBE = """
mutation Subscribe($customer: ID!, $plan: ID!) {
  createSubscription(input: {customerId: $customer, planId: $plan}) {
    subscription { id status currentPeriodEnd }
    invoice {
      id number status amountCents periodStart periodEnd
      lines { id description quantity unitAmountCents amountCents }
    }
    userErrors { code message }
  }
}
"""

OPERATIONS = (
    Operation("nested", "50 customers → subscriptions (plan) → invoices", NESTED, always(first=50)),
    Operation(
        "one",
        "1 customer → subscriptions (plan) → invoices",
        ONE,
        lambda s: [{"id": reader} for reader in s.readers],
    ),
    Operation("flat", "100 invoices", FLAT, always(first=100)),
    Operation("page", "50 invoices as edges, with pageInfo and totalCount", PAGE, always(first=50)),
    Operation("deep", "10 customers → subscriptions → invoices → lines and payments", DEEP, always(first=10)),
    Operation(
        "subscribe",
        "createSubscription, with its invoice and line",
        SUBSCRIBE,
        lambda s: [{"customer": customer, "plan": s.plan} for customer in s.subscribers],
        writes=True,
    ),
)


def operation_of(name: str) -> Operation:
    return next(operation for operation in OPERATIONS if operation.name == name)
