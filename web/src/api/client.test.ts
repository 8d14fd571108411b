import { afterEach, describe, expect, it, vi } from "vitest";
import { postData } from "./client";
import { Failure } from "./failure";

const start = { type: "start", data_version: 1, published_at: "2026-11-23T14:00:00Z", range: null, compare: null, options: {} };

function answer(...lines: unknown[]): void {
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, { status: 200 })));
}

afterEach(() => vi.unstubAllGlobals());

describe("the data of a page", () => {
  it("ends well with an end line", async () => {
    answer(start, { type: "end", duration_ms: 3 });
    const seen: string[] = [];
    await postData("sales", {}, (event) => seen.push(event.type), new AbortController().signal);
    expect(seen).toEqual(["start", "end"]);
  });

  it("fails with the server's own words where the page could not be finished", async () => {
    answer(start, { type: "error", error: { code: "timed-out", message: "too slow", hint: "Ask for less." } });
    const failure = await postData("sales", {}, () => undefined, new AbortController().signal).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect(failure).toMatchObject({ code: "timed-out", hint: "Ask for less." });
  });

  it("is incomplete without an end line", async () => {
    answer(start);
    await expect(postData("sales", {}, () => undefined, new AbortController().signal)).rejects.toMatchObject({ code: "incomplete-answer" });
  });
});
