import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// `npm run dev` shows the data of a server that runs already: `millrace serve`, or `npm run mock`.
const server = process.env.MILLRACE_URL ?? "http://127.0.0.1:4178";

export default defineConfig({
  plugins: [svelte()],
  build: {
    // Browsers that know `light-dark()`, so that the colour tokens are shipped as they are written.
    target: ["chrome123", "firefox120", "safari17.5"],
    // The inline script of the polyfill would break the content security policy.
    modulePreload: { polyfill: false },
    // ECharts is one chunk of its own, loaded when the first chart is drawn.
    chunkSizeWarningLimit: 700,
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: server, changeOrigin: true } },
  },
  test: {
    include: ["src/**/*.test.ts"],
    environment: "node",
    // Dates are formatted without a zone shift; a zone far from UTC proves it.
    env: { TZ: "America/Los_Angeles" },
  },
});
