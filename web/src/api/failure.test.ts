import { expect, it } from "vitest";
import { asFailure, failureOf } from "./failure";

it("takes code, message and hint of the server", async () => {
  const body = { error: { code: "unauthorized", message: "log in", hint: "ask" } };
  const failure = await failureOf(new Response(JSON.stringify(body), { status: 401 }));
  expect({ ...failure, message: failure.message }).toMatchObject({ code: "unauthorized", message: "log in", hint: "ask", status: 401 });
});

it("stands a proxy's answer that is no JSON", async () => {
  const failure = await failureOf(new Response("<html>", { status: 502, statusText: "Bad Gateway" }));
  expect(failure).toMatchObject({ code: "http-502", message: "Bad Gateway", hint: null });
});

it("tells a broken answer from a broken network", () => {
  expect(asFailure(new TypeError("Failed to fetch")).code).toBe("network-error");
  expect(asFailure(new SyntaxError("Unexpected end")).code).toBe("broken-answer");
});
