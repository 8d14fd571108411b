import { expect, it } from "vitest";
import { descriptionsOf } from "./column";
import { en, fr, revenue, tile } from "./tiles.fixture";

it("says what metrics mean, as far as the project says it", () => {
  const described = { ...revenue, description: "Without what was cancelled." };
  const unnamed = { ...revenue, name: "orders", label: {}, description: "All of them." };
  expect(descriptionsOf(tile({ metric: described }), fr)).toEqual([{ label: "Chiffre d'affaires", text: "Without what was cancelled." }]);
  expect(descriptionsOf(tile({ metric: revenue }), en)).toEqual([]);
  expect(descriptionsOf(tile({ kind: "table", metric: null, metrics: [described, revenue, unnamed] }), en)).toEqual([
    { label: "Revenue", text: "Without what was cancelled." },
    { label: "orders", text: "All of them." },
  ]);
});
