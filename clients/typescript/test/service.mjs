// Asks a running service: node test/service.mjs URL. Prints what it saw as JSON; tests compare it.
import { ApiError, Client, LostAnswerError } from "../dist/index.js";

const url = process.argv[2];
const keys = [];
let losing = 0;

/** Loses answers after the service did the work. */
async function flaky(target, init) {
  keys.push(init.headers["Idempotency-Key"]);
  const answer = await fetch(target, init);
  if (losing > 0) {
    losing -= 1;
    await answer.arrayBuffer();
    throw new TypeError("the answer was lost");
  }
  return answer;
}

const retries = { times: 3, firstSeconds: 0 };
const client = new Client({ url, fetch: flaky, retries });
const before = await client.recommend({ user: "u00002", scenario: "shop", k: 3 });
const item = before.items[0].id;
keys.length = 0;
losing = 2;
const receipt = await client.sendEvent({ user: "u00002", item, scenario: "shop", action: "purchase" });
const after = await client.recommend({ user: "u00002", scenario: "shop", k: 3 });
const eventKeys = keys.slice(0, 3);

const refused = await client.getItem("shop", "a/b").catch((error) => error);
losing = 1;
const lost = await client.deleteItem("shop", item).catch((error) => error);
losing = 0;
await client.putUser("a/b c", { fields: { age: 3 } });
let dots;
try {
  await client.getUser("..");
} catch (error) {
  dots = error instanceof TypeError;
}
const kinds = [];
for await (const line of client.exportUser("a/b c")) kinds.push(line.kind);
const job = await client.putItems("shop", [{ item_id: "lamp-8", title: "Floor lamp" }]);

let seen;
const echo = async (target, init) => {
  seen = init.headers;
  return new Response(JSON.stringify({ status: "live" }));
};
await new Client({ key: "psk_x", fetch: echo }).live();

console.log(
  JSON.stringify({
    before: before.items.map((place) => place.id),
    after: after.items.map((place) => place.id),
    receipt,
    keys: new Set(eventKeys).size,
    attempts: eventKeys.length,
    refused: [refused instanceof ApiError, refused.code, refused.status, refused.requestId.length],
    lost: lost instanceof LostAnswerError,
    kinds,
    dots,
    job: job.status,
    ready: (await client.ready()).status,
    metrics: (await client.metrics()).includes("polyscene_ready"),
    key: seen.Authorization,
    shown: JSON.stringify(new Client({ key: "psk_x" })).includes("psk_x"),
  }),
);
