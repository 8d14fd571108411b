// A stand-in for `millrace serve`: the API of docs/reference/http-api.md over the orders of an invented shop,
// in memory. Tests start it with `startMock` and change its state while a page is open.
//   npm run build && npm run mock        the built page at http://127.0.0.1:4178
//   npm run mock & npm run dev           the page with reload on change, over the same data
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { sales } from "./dashboard.mjs";
import { makeOrders } from "./orders.mjs";
import { before, resolveRange, select, tileResult } from "./query.mjs";
import { details, EARLIER, failures, SUCCEEDED } from "./runs.mjs";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
/**
 * The strictest content security policy that the page supports. The browser reports a violation as a console
 * error, which fails the browser tests.
 */
const CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

/** The state of the server. Tests change it while the page is open. */
function initialState() {
  return {
    orders: makeOrders(),
    publication: { data_version: 3, published_at: new Date(Date.now() - 5 * 60_000).toISOString(), run: "20261101T060000-4f2a" },
    dashboard: structuredClone(sales),
    lastRun: SUCCEEDED,
    lastResult: SUCCEEDED,
    earlier: EARLIER.slice(1),
    rollback: null,
    schedule: { cron: "*/15 * * * *", time_zone: "Europe/Paris", next_run_at: new Date(Date.now() + 5.5 * 60_000).toISOString() },
    rowsGone: false,
    /** The maximum number of values that a filter lists. The real server's limit is 1,000. */
    mostOptions: 1000,
    /** Titles of further dashboards. All of them have the content of the first one. */
    others: [],
    /** The warnings of the last run. */
    notices: [],
    /** Called with each tile's result and the tile; returns the result to send. */
    alter: (result) => result,
    quarantined: 42,
    tileErrors: {},
    tilePauseMs: 20,
    unauthorized: false,
    /** Answers with numbers wait for this promise, so that a test can look at the page in between. */
    gate: Promise.resolve(),
    // What the page has asked for: the bodies of data requests, and the searches of filters.
    requests: [],
    searches: [],
  };
}

/** The answer to `GET /project`. */
function project(state) {
  return {
    name: "shop",
    version: "0.1.0",
    environment: "dev",
    time_zone: "UTC",
    locales: ["en", "fr"],
    dashboards: [{ name: "sales", title: state.dashboard.title }, ...state.others.map((title, at) => ({ name: `other${at}`, title: { en: title } }))],
    publication: state.publication,
    last_run: state.lastRun,
    last_result: state.lastResult && { ...state.lastResult, notices: state.notices },
    rollback: state.rollback,
    schedule: state.schedule,
    quarantine: { rows: state.quarantined, streams: state.quarantined ? [{ stream: "files.orders", rows: state.quarantined }] : [] },
  };
}

/**
 * The answer to `GET /quarantine`. Every fifth row has a hash in place of its raw text, as a stream with
 * hidden columns has.
 */
function quarantine(state, limit) {
  const rows = Array.from({ length: Math.min(limit, state.quarantined) }, (_, index) => ({
    stream: "files.orders",
    file: "data/commandes.json",
    line: 17 + index * 13,
    column: index % 3 === 2 ? "Montant" : "Quantite",
    code: index % 3 === 2 ? "out-of-range" : "wrong-type",
    reason: index % 3 === 2 ? "expected a decimal of 10 digits, found 14" : "expected an integer, found text",
    raw: index % 5 === 4 ? null : `{"CommandeID": ${1000 + index}, "Quantite": "deux", "Client": "Zoë <b>Müller</b>"}`,
    raw_hash: index % 5 === 4 ? "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" : undefined,
    run: "20261101T060000-4f2a",
    at: "2026-11-01T06:00:00Z",
  }));
  return { total: state.quarantined, rows };
}

/** Streams the answer to a data request: a start line, one line per tile, and an end line. */
async function data(state, request, response) {
  const { orders } = state;
  const range = resolveRange(request.range ?? sales.time.range, orders);
  const compare = request.range === "all" ? null : before(range);
  const filters = request.filters ?? {};
  const rows = select(orders, range, filters);
  const previous = compare ? select(orders, compare, filters) : [];
  const all = sales.filters.map(({ name }) => [name, optionsOf(state, name)]);
  const options = Object.fromEntries(all.map(([name, { values }]) => [name, values]));
  const cut = all.filter(([, { values, total }]) => total > values.length).map(([name, { total }]) => [name, total]);
  const extent = orders.length > 0 ? resolveRange("all", orders) : null;
  const line = (object) => response.write(`${JSON.stringify(object)}\n`);
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  const { data_version, published_at } = state.publication;
  line({ type: "start", data_version, published_at, range, compare, extent, options, options_cut: Object.fromEntries(cut) });
  const wanted = state.dashboard.rows.flat().filter((tile) => request.tiles?.includes(tile.id) ?? true);
  for (const tile of wanted) {
    await pause(state.tilePauseMs);
    const error = state.tileErrors[tile.id];
    line(error ? { type: "tile", id: tile.id, error } : { type: "tile", id: tile.id, result: state.alter(tileResult(tile, rows, previous, range, extent), tile) });
  }
  line({ type: "end", duration_ms: 12 });
  response.end();
}

/** Removes case and diacritics, so that a search ignores them. */
const fold = (text) => text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();

/**
 * The values of a filter that contain a text, and how many there are. NULL sorts first, so that a limit does
 * not cut it off, and is listed last.
 */
function optionsOf(state, name, search = "") {
  const values = [...new Set(state.orders.map((order) => order[name]))]
    .filter((value) => search === "" || (value !== null && fold(value).includes(fold(search))))
    .sort((a, b) => (a === null ? -1 : b === null ? 1 : a.localeCompare(b, "fr")));
  const shown = values.slice(0, state.mostOptions);
  if (shown[0] === null) shown.push(shown.shift());
  return { values: shown, total: values.length };
}

/** The runs, latest first. `lastRun` and `lastResult` may be the same run. */
function ledger(state) {
  const newest = [state.lastRun, state.lastResult].filter((run, index, all) => run && all.indexOf(run) === index);
  return [...newest, ...state.earlier];
}

/** The answer to a request below `/runs`; `null` if there is no such run or test. */
function runs(state, path, query) {
  if (path === "/runs") return { runs: ledger(state).slice(0, Number(query.get("limit") ?? 50)) };
  const [, id, more] = /^\/runs\/([^/]+)(\/failures)?$/.exec(path) ?? [];
  const run = ledger(state).find((one) => one.run === id);
  if (!run) return null;
  return more ? failures(run, query.get("test"), Number(query.get("limit") ?? 20)) : details(run);
}

/**
 * Answers with a file of the build. Every address outside of `/assets/` gets index.html, with status 404 if
 * it names no page.
 */
async function file(path, response) {
  const asset = path.startsWith("/assets/");
  const name = asset ? normalize(path).replace(/^\/+/, "") : "index.html";
  const body = await readFile(join(DIST, name)).catch(() => null);
  if (body === null) return void response.writeHead(404).end();
  const known = asset || /^\/(d\/[^/]+|quarantine|runs(\/[^/]+)?)?$/.test(path);
  response.writeHead(known ? 200 : 404, { "content-type": TYPES[extname(name)] ?? "application/octet-stream", "content-security-policy": CSP });
  response.end(body);
}

function json(response, body, status = 200) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function bodyOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text === "" ? {} : JSON.parse(text);
}

/**
 * Starts a server on a port of 127.0.0.1; 0 takes a free one. Returns its address, its state, and functions
 * that change the state and send the matching event.
 */
export async function startMock(port = 0) {
  const state = initialState();
  const listeners = new Set();

  async function answer(request, response) {
    const url = new URL(request.url, "http://localhost");
    const path = url.pathname.replace(/^\/api\/v1/, "");
    if (url.pathname === "/healthz") return json(response, { status: "ok" });
    if (!url.pathname.startsWith("/api/v1/")) return file(url.pathname, response);
    if (state.unauthorized) {
      return json(response, { error: { code: "unauthorized", message: "this server wants a login", hint: "Ask the owner of the project." } }, 401);
    }
    if (path === "/project") return json(response, project(state));
    if (path === "/dashboards/sales") return json(response, state.dashboard);
    if (path === "/dashboards/sales/options") {
      state.searches.push(url.searchParams.get("search"));
      const found = optionsOf(state, url.searchParams.get("filter"), url.searchParams.get("search").trim());
      return json(response, { data_version: state.publication.data_version, ...found });
    }
    if (/^\/dashboards\/other\d+$/.test(path)) return json(response, { ...state.dashboard, name: path.split("/").at(-1) });
    if (path === "/dashboards/sales/data" && request.method === "POST") {
      const body = await bodyOf(request);
      state.requests.push(body);
      await state.gate;
      return data(state, body, response);
    }
    if (path === "/quarantine") return json(response, quarantine(state, Number(url.searchParams.get("limit") ?? 100)));
    if (path.endsWith("/failures") && state.rowsGone) {
      return json(response, { error: { code: "rows-gone", message: "the rows are gone; run `x` found 4", hint: null } }, 410);
    }
    const found = runs(state, path, url.searchParams);
    if (found) return json(response, found);
    if (path === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write(": open\n\n");
      listeners.add(response);
      request.on("close", () => listeners.delete(response));
      return undefined;
    }
    const error = { code: "not-found", message: `there is nothing at \`${path}\``, hint: "See docs/reference/http-api.md." };
    return json(response, { error }, 404);
  }

  // Sends an event to every open stream.
  const send = (event, object) => {
    for (const listener of listeners) listener.write(`event: ${event}\ndata: ${JSON.stringify(object)}\n\n`);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      console.error(error);
      response.destroy();
    });
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    state,
    /** Publishes the orders of another seed as the next data version. */
    publish(seed) {
      state.orders = makeOrders(seed);
      state.publication = {
        data_version: (state.publication?.data_version ?? 0) + 1,
        published_at: new Date().toISOString(),
        run: "20261101T070000-77aa",
      };
      send("publish", { data_version: state.publication.data_version, published_at: state.publication.published_at });
    },
    /** Makes a run the last one. It is also the last result unless it is still in progress. */
    run(run) {
      state.lastRun = run;
      if (run.status !== "running") state.lastResult = run;
      send("run", run);
    },
    /** Changes the state through `change`, and tells the pages that the project has changed. */
    change(change) {
      change(state);
      send("project", {});
    },
    /**
     * Stops listening and ends all connections, as a server that stops does. Returns a function that starts
     * it again on the same port.
     */
    async stop() {
      const { port: same } = server.address();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      return () => new Promise((resolve) => server.listen(same, "127.0.0.1", resolve));
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const mock = await startMock(Number(process.env.PORT ?? 4178));
  console.log(`${mock.url}/d/sales`);
}
