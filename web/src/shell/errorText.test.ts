import { expect, it } from "vitest";
import type { Reader } from "../i18n/reader";
import { errorText, splitCode } from "./errorText";

const fr: Reader = { language: "fr", tag: "fr" };

it("words what the page found, and leaves the server its own words", () => {
  expect(errorText({ code: "network-error", message: "Failed to fetch", hint: null }, 0, fr).message).toBe("Le serveur est injoignable.");
  expect(errorText({ code: "x", message: "m", hint: "h" }, 500, fr)).toEqual({ message: "m", hint: "h" });
  expect(errorText({ code: "x", message: "m", hint: null }, 401, fr).hint).toBe("Il faut vous identifier pour voir cette page.");
});

it("cuts out what stands in backticks", () => {
  expect(splitCode("run `millrace check` now")).toEqual(["run ", "millrace check", " now"]);
});
