"""The custom scalars of this API for schemathesis, which loads this file through `SCHEMATHESIS_HOOKS`."""

import schemathesis
from hypothesis import strategies
from schemathesis.graphql import nodes

from billing.limits import MAX_CENTS
from billing.validation import CURRENCIES

EDGES = (0, 1, -1, 2**31, MAX_CENTS, MAX_CENTS + 1, -MAX_CENTS - 1, 2**63, 10**4000)

schemathesis.graphql.scalar(
    "Cents",
    strategies.one_of(strategies.integers(), strategies.sampled_from(EDGES), strategies.integers(1, 10**6)).map(
        nodes.Int
    ),
)
schemathesis.graphql.scalar(
    "Currency", strategies.one_of(strategies.sampled_from(sorted(CURRENCIES)), strategies.text()).map(nodes.String)
)
schemathesis.graphql.scalar(
    "Percent",
    strategies.one_of(
        strategies.sampled_from(["19", "8.875", "0", "100", "-1", "100.0001", "1.00001"]), strategies.text()
    ).map(nodes.String),
)
