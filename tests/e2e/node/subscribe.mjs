// A subscription by the graphql-sse client; prints one JSON line for each result, then "complete".
// node subscribe.mjs URL '{"query": …, "variables": …}' '{"header": "value"}' [COUNT]
import { createClient } from "graphql-sse";

const [url, request, headers, count] = process.argv.slice(2);
const client = createClient({ url, headers: JSON.parse(headers), retryAttempts: 0 });
let left = Number(count ?? Infinity);
for await (const result of client.iterate(JSON.parse(request))) {
  console.log(JSON.stringify(result));
  left -= 1;
  if (left === 0) break;
}
console.log("complete");
client.dispose();
