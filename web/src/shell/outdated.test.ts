import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { outdated } from "./outdated.svelte";

const page = (script: string) => `<script type="module" src="/assets/${script}.js"></script>`;
const storage = (write: (kept: Map<string, string>, key: string, value: string) => void) => {
  const kept = new Map<string, string>();
  return { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => write(kept, key, value) };
};

beforeEach(() => {
  vi.stubGlobal("location", { pathname: "/d/sales" });
  vi.stubGlobal("document", { head: { innerHTML: page("old") } });
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(page("new"))));
});
afterEach(() => vi.unstubAllGlobals());

/**
 * The number of reloads of a page that looks three times, as a page does that lacks a chunk again after each
 * reload.
 */
async function reloads(sessionStorage: unknown): Promise<number> {
  vi.stubGlobal("sessionStorage", sessionStorage);
  const reload = vi.fn();
  for (let look = 0; look < 3; look++) expect(await outdated.look(reload)).toBe(true);
  return reload.mock.calls.length;
}

it("loads a newer page once", async () => {
  expect(await reloads(storage((kept, key, value) => kept.set(key, value)))).toBe(1);
});

it("loads none by itself where it could not know that it has", async () => {
  const forbidden = new Proxy({}, { get: () => () => { throw new Error("storage is forbidden"); } });
  expect(await reloads(forbidden)).toBe(0);
  // A storage that is full: it accepts nothing.
  expect(await reloads(storage(() => undefined))).toBe(0);
});

it("is not outdated where the server has the same page, or says nothing", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(page("old"))));
  expect(await outdated.look(() => undefined)).toBe(false);
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  expect(await outdated.look(() => undefined)).toBe(false);
});
