// /graphql?tenant=demo fills the header in. A GraphQL request never has a parameter of that name.
const tenant = new URLSearchParams(window.location.search).get("tenant") ?? "";
// Headers live in this page's memory only: they may hold a tenant's secrets.
ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: "/graphql", headers: tenant ? { "X-Tenant-ID": tenant } : {} }),
    shouldPersistHeaders: false,
    defaultEditorToolsVisibility: "headers",
    defaultHeaders: JSON.stringify({ "X-Tenant-ID": tenant }, null, 2),
    defaultQuery: "# Name your store under Headers, unless this domain is the store's own.\n\n{\n  products(limit: 5) {\n    id\n    name\n  }\n}\n",
  }),
);
