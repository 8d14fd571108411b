/** Splits bytes into JSON documents, one a line. A chunk may end anywhere, also within a character. */
export class NdjsonDecoder {
  // `fatal`: a broken byte would otherwise become U+FFFD, which is a changed value.
  readonly #text = new TextDecoder("utf-8", { fatal: true });
  #rest = "";

  push(chunk: Uint8Array): unknown[] {
    return this.#take(this.#text.decode(chunk, { stream: true }), false);
  }

  /** The last line may lack its line feed. */
  end(): unknown[] {
    return this.#take(this.#text.decode(), true);
  }

  #take(text: string, last: boolean): unknown[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = last ? "" : (lines.pop() ?? "");
    return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as unknown);
  }
}

export async function* readNdjson(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new NdjsonDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* decoder.push(value);
    }
    yield* decoder.end();
  } finally {
    // Whoever stops reading early (an outdated request) lets the server stop too.
    await reader.cancel().catch(() => undefined);
  }
}
