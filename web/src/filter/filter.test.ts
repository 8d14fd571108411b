import { describe, expect, it } from "vitest";
import type { Dimension } from "../api/schema.gen";
import type { Reader } from "../i18n/reader";
import { answerTo, choices, choiceSummary, matches, toggle } from "./choice";
import { customRange, presetsWith, rangeLabel } from "./range";

const en: Reader = { language: "en", tag: "en-GB" };
const fr: Reader = { language: "fr", tag: "fr-FR" };
const country: Dimension = { name: "country", label: { en: "Country" }, type: "text" };

describe("ranges", () => {
  it.each([
    ["last 7 days", "Last 7 days", "7 derniers jours"],
    ["last 1 days", "Last day", "Dernier jour"],
    ["last 12 months", "Last 12 months", "12 derniers mois"],
    ["last 2 years", "Last 2 years", "2 dernières années"],
    ["all", "All", "Tout"],
  ])("%s", (range, english, french) => {
    expect(rangeLabel(range, en)).toBe(english);
    expect(rangeLabel(range, fr)).toBe(french);
  });

  it("always offer the dashboard's own", () => {
    expect(presetsWith("last 30 days")).toHaveLength(5);
    expect(presetsWith("last 6 weeks")[0]).toBe("last 6 weeks");
  });

  it("by dates need both, in their order", () => {
    expect(customRange("2026-10-01", "2026-10-01")).toEqual({ from: "2026-10-01", to: "2026-10-01" });
    expect(customRange("2026-10-02", "2026-10-01")).toBe("backwards");
    expect(customRange("", "2026-10-01")).toBe("incomplete");
  });
});

describe("choices", () => {
  it("keep what is chosen although it is listed no more", () => {
    expect(choices(["France", null], ["Chine", null])).toEqual(["France", null, "Chine"]);
  });

  it("that a search has found are of the data that the page shows", () => {
    const answer = { data_version: 3, values: ["France"], total: 1 };
    const found = { search: "fr", answer };
    expect(answerTo("fr", 3, found)).toBe(answer);
    expect(answerTo("fr", 4, found)).toBeNull();
    // The answer may belong to a later data version; the page will catch up.
    expect(answerTo("fr", 2, found)).toBe(answer);
    expect(answerTo("fra", 3, found)).toBeNull();
    expect(answerTo("fr", 3, null)).toBeNull();
  });

  it("come and go", () => {
    expect(toggle(["France"], null)).toEqual(["France", null]);
    expect(toggle(["France", null], "France")).toEqual([null]);
  });

  it("are found without accents and case", () => {
    expect(matches("États-Unis", "etats")).toBe(true);
    expect(matches("États-Unis", "UNIS ")).toBe(true);
    expect(matches("France", "x")).toBe(false);
  });

  it("are named while they are few", () => {
    expect(choiceSummary([], country, fr)).toBe("Tous");
    expect(choiceSummary(["France", null], country, fr)).toBe("France, (aucun)");
    expect(choiceSummary(["a", "b", "c"], country, en)).toBe("3 chosen");
  });
});
