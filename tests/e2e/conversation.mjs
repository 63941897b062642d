// The other side of node_script.py: what to do comes as JSON in the arguments, a person goes where we ask,
// and the result is one line of JSON.
import { createInterface } from "node:readline";

export const task = JSON.parse(process.argv[2]);
export const issuer = new URL(task.issuer);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Sends a person to `url`; resolves with the URL at the client that the person is sent back to. */
export async function visit(url) {
  console.log(JSON.stringify({ visit: String(url) }));
  const { value, done } = await lines.next();
  if (done) throw new Error("the person went away");
  return new URL(value);
}

/** The private key of the task, as both libraries want it; null: it has none. */
export async function readKey() {
  if (!task.private_key) return null;
  const algorithm = { name: "ECDSA", namedCurve: task.private_key.crv };
  return { key: await crypto.subtle.importKey("jwk", task.private_key, algorithm, false, ["sign"]), kid: task.private_key.kid };
}

/** Ends the conversation. */
export function finish(result) {
  console.log(JSON.stringify({ result }));
  process.stdin.destroy();
}
