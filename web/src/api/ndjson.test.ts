import { describe, expect, it } from "vitest";
import { NdjsonDecoder, readNdjson } from "./ndjson";

const lines = [{ type: "start", name: "Chiffre d'affaires 12 k €" }, { type: "tile", text: "𝄞 Zoë\nsecond line" }, { type: "end" }];
const text = lines.map((line) => JSON.stringify(line)).join("\n") + "\n";
const bytes = new TextEncoder().encode(text);

function decode(...chunks: Uint8Array[]): unknown[] {
  const decoder = new NdjsonDecoder();
  return [...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.end()];
}

describe("NdjsonDecoder", () => {
  it("takes a split at every byte, also within a character", () => {
    for (let at = 0; at <= bytes.length; at++) {
      expect(decode(bytes.subarray(0, at), bytes.subarray(at))).toEqual(lines);
    }
  });

  it("takes one byte at a time", () => {
    expect(decode(...Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(lines);
  });

  it("hands out a line as soon as its line feed is there", () => {
    const decoder = new NdjsonDecoder();
    const first = new TextEncoder().encode('{"a":1}\n{"b"');
    expect(decoder.push(first)).toEqual([{ a: 1 }]);
    expect(decoder.push(new TextEncoder().encode(":2}"))).toEqual([]);
    expect(decoder.end()).toEqual([{ b: 2 }]);
  });

  it("skips empty lines and carriage returns", () => {
    expect(decode(new TextEncoder().encode('{"a":1}\r\n\r\n{"b":2}\r\n'))).toEqual([{ a: 1 }, { b: 2 }]);
  });

  it("refuses bytes that are not UTF-8, and a line cut off", () => {
    expect(() => decode(new Uint8Array([0x22, 0xff, 0x22, 0x0a]))).toThrow(SyntaxError);
    expect(() => decode(bytes.subarray(0, bytes.length - 3))).toThrow(SyntaxError);
  });
});

it("cancels the stream when its reader stops early", async () => {
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('{"a":1}\n')),
    cancel: () => void (cancelled = true),
  });
  for await (const line of readNdjson(stream)) {
    expect(line).toEqual({ a: 1 });
    break;
  }
  expect(cancelled).toBe(true);
});
