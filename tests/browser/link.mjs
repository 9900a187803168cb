// A bad network between a phone and the gateway, as far as TCP shows one: bytes come late and in order, a segment that is lost comes
// when it was sent again, a link that is down refuses or swallows, and a connection may end with an answer on its way. This is a
// model: no packet is dropped, and the phone's own TCP sees a perfect loopback.

import { once } from "node:events";
import net from "node:net";
import { PAGES } from "./city.mjs";

const SEGMENT_BYTES = 1448;
/** The first time-out of a connection's first segment (RFC 6298). */
const FIRST_TIMEOUT_MS = 1_000;
const TIMEOUT_MS_MIN = 200;

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Opens a link to the pages. `delay` is one way, in milliseconds; `loss` is the share of segments that are lost; `cut` the share of
 * answers with which the connection ends instead. `state` may be set to "open", "down" (refuses), "hole" (swallows) or "cutting"
 * (ends with the next answer, once).
 */
export async function link(t, { delay = 0, loss = 0, cut = 0, seed = 1 } = {}) {
  const random = numbers(seed);
  const sockets = new Set();
  const it = { state: "open", seed, lost: 0, cuts: 0, connections: 0 };
  /** How long until a segment arrives: each loss costs a time-out, and the next one twice as long. */
  const travel = (timeout) => {
    let late = delay;
    for (let wait = timeout; random() < loss; wait *= 2) {
      late += wait;
      it.lost += 1;
    }
    return late;
  };
  const pipe = (from, to, opened, isAnswer) => {
    let due = opened;
    let swallows = false;
    from.on("data", (bytes) => {
      // A connection that has lost bytes never goes on.
      swallows ||= it.state === "hole";
      if (swallows) return;
      if (isAnswer && (it.state === "cutting" || random() < cut)) {
        if (it.state === "cutting") it.state = "open";
        it.cuts += 1;
        from.destroy();
        to.destroy();
        return;
      }
      for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) {
        const timeout = 2 * delay + TIMEOUT_MS_MIN;
        due = Math.max(due, performance.now() + travel(timeout));
        const part = bytes.subarray(at, at + SEGMENT_BYTES);
        setTimeout(() => to.writable && to.write(part), due - performance.now());
      }
    });
    from.on("end", () => setTimeout(() => to.end(), Math.max(0, due - performance.now())));
    from.on("error", () => to.destroy());
    from.on("close", () => setTimeout(() => to.destroy(), Math.max(0, due - performance.now()) + 1));
  };
  const server = net.createServer((phone) => {
    if (it.state === "down") return phone.destroy();
    it.connections += 1;
    const gateway = net.connect(Number(new URL(PAGES).port), "127.0.0.1");
    for (const socket of [phone, gateway]) {
      sockets.add(socket.setNoDelay(true));
      socket.on("close", () => sockets.delete(socket));
    }
    // The handshake takes a round trip before the first byte.
    const opened = performance.now() + travel(FIRST_TIMEOUT_MS) + travel(FIRST_TIMEOUT_MS);
    pipe(phone, gateway, opened, false);
    pipe(gateway, phone, 0, true);
  });
  it.down = () => {
    it.state = "down";
    for (const socket of sockets) socket.destroy();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  it.pages = `http://localhost:${server.address().port}`;
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return it;
}
