"""A receiver of webhooks: verifies them, ignores those that it has, and keeps the newest version of each object.

    pip install standardwebhooks
    WEBHOOK_SECRET=whsec_… python receiver.py

It stores what it gets in the SQLite database `webhooks.db`, in one transaction for each message. In your own receiver,
change your own tables in the same transaction.
"""

import json
import os
import sqlite3
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

MAX_BYTES = 100_000
TABLES = """
    CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, type TEXT NOT NULL, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS objects (id TEXT PRIMARY KEY, type TEXT NOT NULL, version INTEGER NOT NULL);
"""


def store(database: sqlite3.Connection, message_id: str, body: str) -> None:
    """Stores a message, unless it is here already, and the version of its object, unless a newer one is known."""
    message = json.loads(body)
    with database:
        added = database.execute(
            "INSERT INTO messages VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (message_id, message["type"], body)
        )
        if added.rowcount == 0 or "objectId" not in message["data"]:
            return
        changed = message["data"]
        database.execute(
            "INSERT INTO objects VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET version = excluded.version WHERE excluded.version > version",
            (changed["objectId"], changed["objectType"], changed["version"]),
        )


class Receiver(BaseHTTPRequestHandler):
    webhook: Webhook
    database: sqlite3.Connection

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BYTES:
            self.respond(413)
            return
        body = self.rfile.read(length).decode()
        try:
            self.webhook.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.respond(401)
            return
        store(self.database, self.headers["webhook-id"], body)
        # Respond only once the message is stored: the server sends it again otherwise.
        self.respond(204)

    def respond(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    Receiver.webhook = Webhook(os.environ["WEBHOOK_SECRET"])
    Receiver.database = sqlite3.connect(os.environ.get("WEBHOOK_DATABASE", "webhooks.db"))
    Receiver.database.executescript(TABLES)
    server = HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Receiver)
    print(f"Receiving webhooks on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
