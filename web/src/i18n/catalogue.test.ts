import { describe, expect, it } from "vitest";
import { catalogues, fill, localized, type MessageKey, plural, translate } from "./catalogue";
import { en } from "./en";
import { fr } from "./fr";
import { formattingLocale, preferredLanguage } from "./preference";

const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

describe("the catalogues", () => {
  it.each(Object.keys(en) as MessageKey[])("%s takes the same values in every language, and says something", (key) => {
    for (const catalogue of Object.values(catalogues)) {
      expect(placeholders(catalogue[key])).toEqual(placeholders(en[key]));
      expect(catalogue[key].trim()).not.toBe("");
    }
  });

  it("have the same keys", () => {
    expect(Object.keys(fr).sort()).toEqual(Object.keys(en).sort());
  });

  it("come in pairs of plural forms", () => {
    const stems = Object.keys(en).flatMap((key) => /^(.*)\.(?:one|other)$/.exec(key)?.[1] ?? []);
    for (const stem of stems) {
      expect(en).toHaveProperty([`${stem}.one`]);
      expect(en).toHaveProperty([`${stem}.other`]);
    }
    expect(stems.length).toBeGreaterThan(0);
  });
});

it("fills what it is given, as it is", () => {
  expect(translate("en", "age.version", { version: 3 })).toBe("data version 3");
  expect(fill("{a}{b}", { a: "{b}", b: "$&" })).toBe("{b}$&");
});

it("counts by the rule of each language", () => {
  const rows = (language: "en" | "fr", count: number) => plural(language, "banner.testRows", count, { count });
  expect([0, 1, 2].map((count) => rows("en", count))).toEqual(["0 rows", "1 row", "2 rows"]);
  expect([0, 1, 2].map((count) => rows("fr", count))).toEqual(["0 ligne", "1 ligne", "2 lignes"]);
});

it("falls back from the language to English to whatever there is", () => {
  expect(localized({ en: "Sales", fr: "Ventes" }, "fr")).toBe("Ventes");
  expect(localized({ en: "Sales" }, "fr")).toBe("Sales");
  expect(localized({ de: "Umsatz" }, "fr")).toBe("Umsatz");
  expect(localized(null, "fr")).toBe("");
});

it("takes the remembered language, then the browser's, then English", () => {
  expect(preferredLanguage("fr", ["en-GB"])).toBe("fr");
  expect(preferredLanguage(null, ["de-DE", "fr-CA", "en"])).toBe("fr");
  expect(preferredLanguage("xx", ["de"])).toBe("en");
  expect(formattingLocale("en", ["fr-FR", "en-GB"])).toBe("en-GB");
  expect(formattingLocale("fr", ["en-US"])).toBe("fr");
});
