// A receiver of webhooks: verifies them, ignores those that it has, and keeps the newest version of each object.
//
//     npm install standardwebhooks
//     npx tsc receiver.ts && WEBHOOK_SECRET=whsec_… node receiver.js
//
// It appends what it gets to the file `webhooks.jsonl`. In your own receiver, change your own tables instead, in one
// transaction for each message.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

interface Message {
  type: string;
  timestamp: string;
  data: { objectType?: string; objectId?: string; version?: number };
}

const MAX_BYTES = 100_000;
const file = process.env['WEBHOOK_FILE'] ?? 'webhooks.jsonl';
const webhook = new Webhook(process.env['WEBHOOK_SECRET'] ?? '');

/** The ids of all messages. */
const known = new Set<string>();
/** The newest version of each object, by its id. */
const newest = new Map<string, number>();

function note(id: string, { data }: Message): void {
  known.add(id);
  if (data.objectId && data.version) {
    // A replay sends older versions again.
    newest.set(data.objectId, Math.max(data.version, newest.get(data.objectId) ?? 0));
  }
}

/** Stores a message, unless it is here already. */
function store(id: string, message: Message): void {
  if (known.has(id)) return;
  appendFileSync(file, `${JSON.stringify({ id, message })}\n`, { flush: true });
  note(id, message);
}

/** Reads a body. Returns null if it is too large. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

async function receive(request: IncomingMessage): Promise<number> {
  const body = await bodyOf(request);
  if (body === null) return 413;
  try {
    webhook.verify(body, request.headers as Record<string, string>);
  } catch (error) {
    if (error instanceof WebhookVerificationError) return 401;
    throw error;
  }
  store(String(request.headers['webhook-id']), JSON.parse(body) as Message);
  // Respond only once the message is stored: the server sends it again otherwise.
  return 204;
}

if (existsSync(file)) {
  for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const { id, message } = JSON.parse(line) as { id: string; message: Message };
    note(id, message);
  }
}
const server = createServer((request, response) => {
  receive(request)
    .catch((error: unknown) => {
      console.error(error);
      return 500;
    })
    .then((status) => response.writeHead(status).end());
});
server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  console.log(`Receiving webhooks on http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
});
