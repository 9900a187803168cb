// The staff's page for ten hours: on a slow, lossy, dead or refusing network, with a gateway that stands still, with a phone that
// sleeps, scans are numbered, none is lost, doubled or joined to another, and each is answered or said to be checked by hand.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask } from "./city.mjs";
import { onPhone, people, recorded } from "./codes.mjs";
import { link } from "./link.mjs";
import { clearFigures, figure } from "./measure.mjs";
import { begin, check, end, phone } from "./phone.mjs";

const SEED = Number(process.env.CHANGTONG_SEED ?? 1);
/** How long people come to a gate, in minutes; nothing has twenty of them come at once. */
const MINUTES = Number(process.env.CHANGTONG_STAFF_MINUTES ?? 0);
const PEOPLE_A_MINUTE = 60;
const AT_ONCE = 20;
const NO_CONNECTION = "无连接，请人工查验";

before(async () => {
  await clearFigures();
  await begin();
});
after(end);

let free;

/** So many people whom nobody has scanned yet. */
async function take(count) {
  free ??= await people("green");
  assert.ok(free.length >= count, `${free.length} people are left of ${count}`);
  return free.splice(0, count);
}

/** A phone at work at a place of its own, on that link. */
async function gate(t, network) {
  const [{ places: [{ place }] }] = await ask("place", "add", "城南卡口", "--region", "1", "--kind", "checkpoint");
  const [{ invitation }] = await ask("staff", "invite", "--place", String(place), "--name", "早班");
  const it = await phone(t, { pages: network.pages });
  await it.go(new URL(invitation.link).pathname);
  await it.page.getByRole("button", { name: "开始值班" }).click();
  await it.page.waitForURL(/\/staff$/);
  await it.page.waitForFunction(() => !document.getElementById("start-area").hidden);
  await it.page.evaluate(listen);
  return { ...it, place: String(place) };
}

/** Runs inside the page: what came of each scan, by its number; old lines leave the list. */
function listen() {
  window.came = {};
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const line of addedNodes) {
        if (!line.dataset?.said) continue;
        const { n, said, tookMs } = line.dataset;
        (window.came[n] ??= []).push({ said, ms: Number(tookMs), late: line.querySelector(".late") !== null });
      }
    }
  }).observe(document.querySelector("#scans ol"), { childList: true });
}

/** As a scanner with a keyboard's plug does. */
async function type({ page }, text) {
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** Scans that all come in the same moment, however slow the machine is: none of them is given up before the last has come. */
const typeAtOnce = ({ page }, texts) => page.evaluate((texts) => {
  const field = document.getElementById("text");
  for (const text of texts) {
    field.value = text;
    field.form.requestSubmit();
  }
}, texts);

const came = ({ page }) => page.evaluate(() => window.came);
const until = ({ page }, count, said) => page.waitForFunction(
  ({ count, said }) => Object.values(window.came).filter((all) => all.some((one) => said.includes(one.said))).length >= count,
  { count, said },
  { timeout: 0 },
);

/** Fails unless the log has each of these codes once at that place, and nothing else. */
async function onceEach({ place }, codes) {
  const rows = await recorded(place);
  const found = rows.map((row) => row.code);
  const lost = codes.filter((code) => !found.includes(code));
  const doubled = codes.filter((code) => found.filter((one) => one === code).length > 1);
  const glued = rows.filter((row) => !codes.includes(row.code));
  assert.deepEqual({ lost, doubled, glued }, { lost: [], doubled: [], glued: [] });
}

check("codes that are typed while earlier ones wait for their answers are each a punch of its own", async (t) => {
  const it = await gate(t, await link(t));
  const codes = await take(3);
  let open;
  const opened = new Promise((done) => { open = done; });
  await it.page.route("**/staff/scan", async (route) => {
    await opened;
    await route.continue().catch(() => {});
  });
  for (const code of codes) await type(it, await onPhone(code));
  assert.equal(await it.page.locator("#text").inputValue(), "");
  assert.deepEqual(await it.page.locator("#scans .no").allInnerTexts(), ["3", "2", "1"], "each has its line at once");
  await it.page.locator("#pending b").filter({ hasText: "3" }).waitFor();
  open();
  await until(it, 3, ["answered"]);
  assert.deepEqual(await it.page.locator("#scans .no").allInnerTexts(), ["3", "2", "1"]);
  assert.equal(await it.page.locator("#verdict").getAttribute("data-n"), "3");
  assert.equal(await it.page.locator("#pending").isVisible(), false);
  await onceEach(it, codes);
});

check("a gateway that stands still: checked by hand in time, nothing swallowed, late answers are called late", async (t) => {
  const it = await gate(t, await link(t));
  const codes = await take(4);
  process.kill(Number(process.env.CITY_PID), "SIGSTOP");
  try {
    for (const code of codes.slice(0, 3)) await type(it, await onPhone(code));
    await until(it, 3, ["by-hand"]);
  } finally {
    process.kill(Number(process.env.CITY_PID), "SIGCONT");
  }
  const waits = Object.values(await came(it)).map(([first]) => first);
  await figure("no answer: said after", { ms: await it.page.locator("#verdict").getAttribute("data-took-ms") });
  assert.ok(waits.every((one) => one.said === "by-hand"), JSON.stringify(waits));
  await until(it, 3, ["answered"]);
  const all = await came(it);
  assert.ok([1, 2, 3].every((n) => all[n].at(-1).late), JSON.stringify(all));
  await it.page.locator("#late").waitFor();
  assert.equal(await it.page.locator("#offline").isVisible(), false);
  await type(it, await onPhone(codes[3]));
  await it.page.locator("#verdict[data-n='4'][data-advice=pass]").waitFor();
  assert.equal(await it.page.locator("#late").isVisible(), false);
  await onceEach(it, codes);
});

for (const [name, state] of [["swallows everything", "hole"], ["refuses every connection", "down"]]) {
  check(`a network that ${name}: said in time, sent once it is back`, async (t) => {
    const network = await link(t);
    const it = await gate(t, network);
    const codes = await take(2);
    if (state === "down") network.down(); else network.state = state;
    for (const code of codes) await type(it, await onPhone(code));
    await it.page.locator("#verdict").getByText(NO_CONNECTION).waitFor();
    await it.page.locator("#offline").waitFor();
    await until(it, 2, ["by-hand"]);
    network.state = "open";
    await until(it, 2, ["answered"]);
    await onceEach(it, codes);
  });
}

check("an answer that is lost on its way: the scan is sent again and is one punch", async (t) => {
  const network = await link(t);
  const it = await gate(t, network);
  const codes = await take(1);
  network.state = "cutting";
  await type(it, await onPhone(codes[0]));
  await it.page.locator("#verdict[data-advice=pass]").waitFor();
  assert.equal(network.cuts, 1);
  await onceEach(it, codes);
});

check("a phone that sleeps while a scan is under way shows its answer when it wakes", async (t) => {
  const it = await gate(t, await link(t, { delay: 200 }));
  const codes = await take(2);
  await type(it, await onPhone(codes[0]));
  await it.devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  await it.devtools.send("Page.setWebLifecycleState", { state: "active" });
  await until(it, 1, ["answered"]);
  await type(it, await onPhone(codes[1]));
  await until(it, 2, ["answered"]);
  await onceEach(it, codes);
});

check("more scans than may wait are refused, each with a line that says so", async (t) => {
  const network = await link(t);
  const it = await gate(t, network);
  const codes = await take(33);
  network.state = "hole";
  await typeAtOnce(it, await Promise.all(codes.map((code) => onPhone(code))));
  await until(it, 1, ["full"]);
  await it.page.locator("#verdict[data-n='33']").waitFor();
  network.state = "open";
  await until(it, 32, ["answered"]);
  await onceEach(it, codes.slice(0, 32));
});

test("people come to a gate on a bad network: none lost, doubled or glued", { timeout: (MINUTES + 3) * 60_000 }, async (t) => {
  const count = MINUTES ? MINUTES * PEOPLE_A_MINUTE : AT_ONCE;
  const network = await link(t, { delay: 400, loss: 0.05, cut: 0.01, seed: SEED });
  const it = await gate(t, network);
  const codes = await take(count);
  const begun = Date.now();
  for (const [at, code] of codes.entries()) {
    const due = MINUTES ? begun + (at * 60_000) / PEOPLE_A_MINUTE : 0;
    if (due > Date.now()) await new Promise((done) => setTimeout(done, due - Date.now()));
    await type(it, await onPhone(code));
  }
  await until(it, count, ["answered"]);
  const all = Object.values(await came(it));
  const waits = all.map((one) => one.at(-1).ms).sort((a, b) => a - b);
  const share = (part) => waits[Math.ceil(part * waits.length) - 1];
  const byHand = all.filter((one) => one.some(({ said }) => said === "by-hand")).length;
  const { seed, lost, cuts, connections } = network;
  await figure("people at a gate", {
    count, minutes: MINUTES, seed, p50_ms: share(0.5), p99_ms: share(0.99), max_ms: waits.at(-1), by_hand: byHand,
    segments_lost: lost, answers_cut: cuts, connections,
  });
  await onceEach(it, codes);
});
