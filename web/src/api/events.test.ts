import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { listen, type Listener } from "./events";

class FakeSource extends EventTarget {
  static opened: FakeSource[] = [];
  readonly CLOSED = 2;
  readyState = 1;
  closed = false;

  constructor() {
    super();
    FakeSource.opened.push(this);
  }

  send(type: string, data?: unknown) {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }));
  }

  fail(readyState: number) {
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }

  close() {
    this.closed = true;
  }
}

const open = () => new FakeSource() as unknown as EventSource;
const last = () => FakeSource.opened.at(-1) as FakeSource;
let listener: { [K in keyof Listener]: ReturnType<typeof vi.fn<Listener[K]>> };

beforeEach(() => {
  vi.useFakeTimers();
  FakeSource.opened = [];
  listener = { onPublish: vi.fn(), onRun: vi.fn(), onProject: vi.fn(), onReturn: vi.fn(), onConnected: vi.fn() };
});
afterEach(() => vi.useRealTimers());

it("hands on publishes and runs", () => {
  const stop = listen(listener, open);
  last().send("publish", { data_version: 4, published_at: "2026-11-23T14:00:00Z" });
  last().send("run", { status: "held" });
  last().send("project", {});
  expect(listener.onPublish).toHaveBeenCalledWith({ data_version: 4, published_at: "2026-11-23T14:00:00Z" });
  expect(listener.onRun).toHaveBeenCalledWith({ status: "held" });
  expect(listener.onProject).toHaveBeenCalledTimes(1);
  stop();
  expect(last().closed).toBe(true);
});

it("leaves a broken connection to the browser, and tells when it is back", () => {
  listen(listener, open);
  last().send("open");
  expect(listener.onReturn).not.toHaveBeenCalled();
  last().fail(0);
  vi.advanceTimersByTime(60_000);
  expect(FakeSource.opened).toHaveLength(1);
  last().send("open");
  expect(listener.onReturn).toHaveBeenCalledTimes(1);
  expect(listener.onConnected.mock.calls).toEqual([[true], [false], [true]]);
});

it("opens a new stream where the browser has given up, with pauses that double", () => {
  const stop = listen(listener, open);
  last().fail(2);
  vi.advanceTimersByTime(999);
  expect(FakeSource.opened).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(FakeSource.opened).toHaveLength(2);
  last().fail(2);
  vi.advanceTimersByTime(1_999);
  expect(FakeSource.opened).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(FakeSource.opened).toHaveLength(3);
  last().fail(2);
  stop();
  vi.advanceTimersByTime(60_000);
  expect(FakeSource.opened).toHaveLength(3);
});
