// A plain client of the API. Checks compare what the page shows with what this client gets for the same
// question.
import assert from "node:assert/strict";

export async function getJson(base, path) {
  const response = await fetch(`${base}/api/v1${path}`);
  assert.equal(response.status, 200, `GET ${path}`);
  return response.json();
}

/**
 * The complete answer to a data request: its start line, and the results by tile. Fails if the start or the
 * end line is missing.
 */
export async function fetchData(base, name, request = {}) {
  const response = await fetch(`${base}/api/v1/dashboards/${encodeURIComponent(name)}/data`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  assert.equal(response.status, 200, "POST data");
  const lines = (await response.text()).split("\n").filter((line) => line !== "");
  const events = lines.map((line) => JSON.parse(line));
  const start = events.find((event) => event.type === "start");
  assert.ok(start, "the answer has a start line");
  assert.ok(events.some((event) => event.type === "end"), "the answer has an end line");
  const results = Object.fromEntries(events.filter((event) => event.type === "tile").map((event) => [event.id, event.result]));
  return { start, results };
}

/** The exact text that each figure should have in its `data-value`, by tile. Empty for NULL. */
export function expectedKpis(dashboard, results) {
  const kpis = dashboard.rows.flat().filter((tile) => tile.kind === "kpi");
  return Object.fromEntries(
    kpis.map((tile) => {
      const total = results[tile.id]?.total?.[tile.metric.name] ?? null;
      return [tile.id, total === null ? "" : String(total)];
    }),
  );
}
