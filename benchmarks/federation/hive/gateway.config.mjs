import { defineConfig } from "@graphql-hive/gateway";

export const gatewayConfig = defineConfig({
  inboundInflightRequestDeduplication: process.env.HIVE_SHARES === "True",
  logging: "warn",
});
