// Codes of the city's people as their phones would show them, made with the city's own keys (protocol/SPEC.md, section 6), and what
// the punch log has of them.

import { createCipheriv } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DATA, command } from "./city.mjs";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const PERSON = 1;
const PAPER = 2;

function base45(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2) {
    let number = bytes[at] * 256 + bytes[at + 1];
    for (let digit = 0; digit < 3; digit += 1) {
      text += DIGITS[number % 45];
      number = Math.floor(number / 45);
    }
  }
  return text;
}

async function newest(kind) {
  const names = await readdir(join(DATA, "keys"));
  const ids = names.map((name) => name.match(new RegExp(`^${kind}-(\\d+)\\.key$`))?.[1]).filter(Boolean).map(Number);
  const id = Math.max(...ids);
  return { id, key: Buffer.from((await readFile(join(DATA, "keys", `${kind}-${id}.key`), "utf8")).trim(), "hex") };
}

let keys;

async function text(kind, person, code, ageS) {
  keys ??= { token: await newest("token"), paper: await newest("paper") };
  const { id, key } = keys[kind];
  const issued = BigInt(Math.floor(Date.now() / 1000) - ageS);
  const block = (BigInt(code) << 65n) | (issued << 33n) | (BigInt(person) << 25n);
  const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
  const sealed = cipher.update(Buffer.from(block.toString(16).padStart(32, "0"), "hex"));
  return base45([1, id, ...sealed]);
}

/** What that person's phone shows now, or has shown so many seconds ago. */
export const onPhone = (code, ageS = 0) => text("token", PERSON, code, ageS);

/** What is printed for that person. */
export const onPaper = (code) => text("paper", PAPER, code, 0);

/** The codes of people of that colour. */
export async function people(colour) {
  const lines = (await readFile(join(DATA, "codes.csv"), "utf8")).split("\n");
  return lines.filter((line) => line.endsWith(`,${colour},verified,person`)).map((line) => line.split(",")[0]);
}

/** The punches of a place: each with its code, which is empty where there was none, and its reason. */
export async function recorded(place) {
  const [head, ...lines] = (await command("ledger", "export", "--case", "staff", "--format", "csv")).trim().split("\n");
  const names = head.split(",");
  const rows = lines.map((line) => Object.fromEntries(line.split(",").map((value, at) => [names[at], value])));
  return rows.filter((row) => row.place === place);
}
