// The public audits of GraphQL over HTTP against one address; prints one JSON line for each audit.
// node audits.mjs URL '{"header": "value"}'
import { serverAudits } from "graphql-http";

const [url, own] = process.argv.slice(2);
const headers = JSON.parse(own ?? "{}");
const fetchFn = (address, init) => fetch(address, { ...init, headers: { ...headers, ...init?.headers } });
for (const audit of serverAudits({ url, fetchFn })) {
  const result = await audit.fn();
  const reason = result.status === "ok" ? "" : result.reason;
  console.log(JSON.stringify({ id: audit.id, name: audit.name, status: result.status, reason }));
}
