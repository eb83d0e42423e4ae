"""The audits of `graphql-http`, written by the authors of the GraphQL over HTTP specification.

See https://graphql.github.io/graphql-over-http/draft/ and https://github.com/graphql/graphql-http.
"""

import json

from tests.clients.node import Workspace


def test_all_audits_are_passed(workspace: Workspace, endpoint: str) -> None:
    audits = workspace.run("node", "audits.mjs", endpoint)
    assert audits.returncode == 0, audits.stderr
    results = json.loads(audits.stdout)

    failing = [result for result in results if result["status"] != "ok"]
    assert not failing, "\n".join(f"{each['id']} {each['name']}: {each.get('reason')}" for each in failing)
    assert len(results) == 61
