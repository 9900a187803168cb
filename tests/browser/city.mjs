// The city under test: its addresses, its made-up people, its commands, and the messages it would have sent. Nothing here knows a
// browser.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; these tests are started by tests/tests/end_to_end/pages/browser.rs`);
  return value;
};

export const PAGES = need("CITY_PAGES");
export const RESULTS = need("RESULTS");
const HTTP = need("CITY_HTTP");
const PROGRAM = need("CITY_PROGRAM");
export const DATA = need("CITY_DATA");

/** Runs a `changtong` command on the city's data; what it said. */
export async function command(...words) {
  const { stdout } = await run(PROGRAM, [...words, "--data", DATA]);
  return stdout;
}

/** The same for programs: one JSON value a line. */
export async function ask(...words) {
  const lines = (await command(...words, "--json")).split("\n");
  return lines.filter((line) => line.startsWith("{") || line.startsWith("[")).map((line) => JSON.parse(line));
}

/**
 * Somebody without a story, for tests that sign in by themselves: a phone gets one message a minute, whoever asks. The numbers are of
 * the end of a range, which no made-up person of the city has.
 */
export const stranger = (n) => ({ name: "周来", document: "399902198808089997", phone: `1639999007${n}` });

let known;

/** The made-up person with that case; `carrier` chooses among several. */
export async function demo(story, carrier) {
  known ??= await ask("carrier", "people");
  const found = known.find((one) => one.case === story && (!carrier || one.carrier === carrier));
  if (!found) throw new Error(`no made-up person is called ${story}; there are ${known.map((one) => one.case)}`);
  return found;
}

/** Makes a carrier fail while `work` runs. */
export async function whileCarrier(carrier, kind, options, work) {
  await command("carrier", "fault", carrier, kind, ...options);
  try {
    return await work();
  } finally {
    await command("carrier", "fault", carrier, "none");
  }
}

const masked = (phone) => `${phone.slice(0, 3)}****${phone.slice(-4)}`;
const seen = new Set();

/** The six digits that the newest message to that phone has, once it is there; each message is read once. */
export async function message(phone) {
  const end = Date.now() + 60_000;
  for (;;) {
    const inbox = await (await fetch(`${HTTP}/dev/sms`)).json();
    const mine = inbox.find((one) => one.phone === masked(phone) && !seen.has(`${one.phone} ${one.code} ${one.at_s}`));
    if (mine) {
      seen.add(`${mine.phone} ${mine.code} ${mine.at_s}`);
      return mine.code;
    }
    if (Date.now() > end) throw new Error(`no message for ${masked(phone)} among ${inbox.length}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** The sum of a metric's series whose labels contain `labels`. */
export async function metric(name, labels = "") {
  const text = await (await fetch(`${HTTP}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(name) && /[ {]/.test(line[name.length]));
  return lines.filter((line) => line.includes(labels)).reduce((sum, line) => sum + Number(line.split(" ").pop()), 0);
}
