// An Apollo Server with a subgraph, on a port of its own: prints the port, ends with its standard input.
import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginInlineTraceDisabled } from "@apollo/server/plugin/disabled";
import { startStandaloneServer } from "@apollo/server/standalone";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { readFileSync } from "node:fs";
import { parse } from "graphql";

const typeDefs = parse(readFileSync(process.argv[2], "utf8"));
const reference = (found) => found;
const resolvers = {
  Query: { recommended: () => [{ id: "4" }, { id: "5" }] },
  Mutation: { redeem: (_, { points }) => ({ newBalance: points, product: { id: "1" } }) },
  Product: {
    __resolveReference: reference,
    price: ({ id }, { currency }) => {
      if (id === "13") throw new Error("unlucky");
      return { amount: Number(id) * 10, currency };
    },
    points: () => 7,
  },
};
const server = new ApolloServer({
  schema: buildSubgraphSchema({ typeDefs, resolvers }),
  plugins: [ApolloServerPluginInlineTraceDisabled()],
});
const { url } = await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: 0 } });
console.log(new URL(url).port);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
