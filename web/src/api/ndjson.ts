// A streaming reader for newline-delimited JSON.

/**
 * Splits bytes into JSON documents, one per line. A chunk may end anywhere, even within a UTF-8 character.
 * Throws SyntaxError for a line that is not JSON, and TypeError for invalid UTF-8.
 */
export class NdjsonDecoder {
  // `fatal`: without it an invalid byte would become U+FFFD, which silently changes a value.
  readonly #text = new TextDecoder("utf-8", { fatal: true });
  #rest = "";

  /** Returns the documents that this chunk completes. */
  push(chunk: Uint8Array): unknown[] {
    return this.#take(this.#decode(chunk), false);
  }

  /** Returns the rest after the last chunk. The last line may lack its line feed. */
  end(): unknown[] {
    return this.#take(this.#decode(), true);
  }

  // A `SyntaxError` like that of a broken line. The decoder's own `TypeError` would look like a lost connection.
  #decode(chunk?: Uint8Array): string {
    try {
      return chunk ? this.#text.decode(chunk, { stream: true }) : this.#text.decode();
    } catch {
      throw new SyntaxError("the answer is not UTF-8");
    }
  }

  #take(text: string, last: boolean): unknown[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = last ? "" : (lines.pop() ?? "");
    return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as unknown);
  }
}

/** Yields the documents of a response body one by one. Cancels the body if the caller stops early. */
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
    // If the caller stops reading early (an outdated request), the cancellation lets the server stop too.
    await reader.cancel().catch(() => undefined);
  }
}
