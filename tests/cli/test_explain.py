"""`billing explain`: how an operation is executed."""

from tests.cli.conftest import billing


def test_a_plan_is_printed_by_level_with_what_resolves_each_field_and_the_source() -> None:
    found = billing("explain", "{ customers(first: 2) { nodes { name subscription { plan { code } } } } __typename }")

    assert found.returncode == 0
    assert found.stdout.splitlines() == [
        "query",
        "Level 0",
        "  Query: Query",
        "    customers: batch page of customers",
        "    __typename: constant",
        "    objects: lambda columns: [{'customers': v0, '__typename': v1} for v0, v1, in zip(*columns)]",
        "Level 1",
        "  Query.customers: CustomerConnection",
        "    nodes: attribute nodes, for the next level",
        "    objects: lambda columns: [{'nodes': v0} for v0, in zip(*columns)]",
        "Level 2",
        "  Query.customers.nodes: Customer",
        "    name: attribute name",
        "    subscription: batch subscriptions by customer_id of its id",
        "    objects: lambda columns: [{'name': v0, 'subscription': v1} for v0, v1, in zip(*columns)]",
        "Level 3",
        "  Query.customers.nodes.subscription: Subscription",
        "    plan: batch plans by id of its plan_id",
        "    objects: lambda columns: [{'plan': v0} for v0, in zip(*columns)]",
        "Level 4",
        "  Query.customers.nodes.subscription.plan: Plan",
        "    code: attribute code",
        "    objects: lambda columns: [{'code': v0} for v0, in zip(*columns)]",
    ]


def test_what_is_no_operation_is_refused_in_one_line() -> None:
    found = billing("explain", "{ nothing }")

    assert found.returncode == 1
    assert "Cannot query field 'nothing'" in found.stderr
    assert "Traceback" not in found.stderr
