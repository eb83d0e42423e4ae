"""Follows the events with gql over WebSocket, and prints each as a line of JSON: live.py URL CURSOR"""

import asyncio
import json
import sys

from gql import Client, gql  # type: ignore[import-not-found]
from gql.transport.websockets import WebsocketsTransport  # type: ignore[import-not-found]

EVENTS = gql(
    """
    subscription Events($after: String) {
      events(after: $after) { cursor node { id type version object { __typename id } } }
    }
    """
)


async def follow(url: str, after: str) -> None:
    transport = WebsocketsTransport(url=url, subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL])
    EVENTS.variable_values = {"after": after}
    async with Client(transport=transport) as session:
        async for data in session.subscribe(EVENTS):
            sys.stdout.write(json.dumps(data["events"]) + "\n")
            sys.stdout.flush()


asyncio.run(follow(sys.argv[1], sys.argv[2]))
