import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { schema } from "../../dev/schema.mjs";

it("is what the server's document says; `npm run schema` makes it", async () => {
  const file = new URL("./schema.gen.ts", import.meta.url);
  expect(await readFile(file, "utf8")).toBe(await schema());
});
