// `npm run schema`: generates the types of the API from the OpenAPI document, which the server's tests keep
// up to date. A unit test compares the committed file with `schema()`.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@hey-api/openapi-ts";

const DOCUMENT = fileURLToPath(new URL("../../docs/reference/openapi.json", import.meta.url));
const TARGET = fileURLToPath(new URL("../src/api/schema.gen.ts", import.meta.url));
const HEADER = "// Made by `npm run schema` from docs/reference/openapi.json. Not for editing.\n";

/** The text that src/api/schema.gen.ts should have. */
export async function schema() {
  const folder = await mkdtemp(join(tmpdir(), "schema-"));
  try {
    await createClient({
      input: DOCUMENT,
      logs: { level: "silent" },
      output: folder,
      // Operations are left out: client.ts has the addresses, and only the shapes are needed.
      parser: { filters: { operations: { exclude: ["/.*/"] }, orphans: true } },
      plugins: ["@hey-api/typescript"],
    });
    const made = await readFile(join(folder, "types.gen.ts"), "utf8");
    // Removes what the generator adds for its own client, which stands before the first shape.
    const client = /^export type ClientOptions = \{[^]*?^\};\n+/m;
    return HEADER + made.slice(made.indexOf("export")).replace(client, "\n");
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(TARGET, await schema());
}
