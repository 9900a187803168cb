// The gateway's live overview on a wall, a laptop and a phone. It is started by tests/tests/end_to_end/monitoring/overview.rs, which also takes orders: to
// have people walk, to kill the gateway, to start it again.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { PAGES, metric } from "./city.mjs";
import { begin, check, end, phone } from "./phone.mjs";

const WALL = { viewport: { width: 1920, height: 1080 }, locale: "en" };
const CHARTS = 8;

before(begin);
after(end);

const order = async (what) => (await fetch(`${process.env.CITY_ORDERS}/${what}`)).json();
const written = (number) => number.toLocaleString("en");
const state = (it, name) => it.page.locator(`body[data-state=${name}]`).waitFor();

/** Has the page get another answer than the gateway's. */
const twisted = (it, twist) =>
  it.page.route("**/overview.json*", async (route) => {
    const answer = await (await route.fetch()).json();
    twist(answer);
    await route.fulfill({ json: answer });
  });

/** A sum over time of what the samples say a second. */
async function added(column) {
  const { columns, rows } = await (await fetch(`${PAGES}/overview.json`)).json();
  const at = columns.flatMap((name, index) => (name.startsWith(column) ? [index] : []));
  const rate = (row) => at.reduce((sum, index) => sum + (row[2][index] ?? 0), 0);
  return rows.slice(1).reduce((sum, row, index) => sum + (rate(row) * (row[1] - rows[index][1])) / 1000, 0);
}

check("under load it shows what the metrics say", async (t) => {
  const it = await phone(t, WALL);
  await it.go("/");
  await state(it, "live");
  const walk = order("walk");
  await it.page.waitForFunction(() => Number.parseFloat(document.querySelector("#punches .large").textContent) > 0);
  await it.page.waitForFunction(() => /\d (ms|µs|s)/.test(document.querySelector("#punch-time .value").textContent));
  const { punches, verifies } = await walk;
  assert.ok(punches > 10 && verifies > 2, `${punches} punches, ${verifies} verifies`);
  await it.says(`${written(punches)} punches · ${written(verifies)} verifies`);
  assert.equal(await metric("changtong_punches_total"), punches);
  assert.equal(await metric("changtong_verifies_total"), verifies);
  for (const [column, total] of [["punches.", punches], ["verifies.", verifies]]) {
    const sum = await added(column);
    assert.ok(Math.abs(sum - total) < total * 0.03 + 1, `${column} ${sum} of ${total}`);
  }
  assert.equal(await it.page.locator(".plot canvas").count(), CHARTS);
  await it.look("overview");
});

check("whoever comes later sees what was before, at once", async (t) => {
  const it = await phone(t, WALL);
  // Only the first question is answered, so that all that is drawn comes from one answer.
  let asked = 0;
  await it.page.route(/overview\.json/, (route) => (asked++ === 0 ? route.continue() : route.abort()));
  const first = it.page.waitForResponse(/overview\.json\?since=0/);
  await it.go("/");
  const { rows } = await (await first).json();
  assert.ok(rows.length > 3, `${rows.length} samples`);
  await it.page.waitForFunction(() => document.querySelector(".cell .stroke")?.getAttribute("d").includes("L"));
  await it.page.waitForFunction((count) => document.querySelectorAll(".plot canvas").length === count, CHARTS);
  assert.ok(it.bytes < 200_000, `${it.bytes} bytes with the chart library`);
});

check("each answer keeps other sites and scripts out", async (t) => {
  const it = await phone(t, WALL);
  for (const path of ["/", "/overview.json", "/overview/overview.js", "/overview/runbook/gone"]) {
    const answer = await it.context.request.get(PAGES + path);
    assert.equal(answer.status(), 200, path);
    const headers = answer.headers();
    for (const said of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
      assert.ok(headers["content-security-policy"].includes(said), `${path}: ${said}`);
    }
    assert.ok(!/unsafe|\*/.test(headers["content-security-policy"]), path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
  }
  assert.equal((await it.context.request.get(`${PAGES}/overview/none.js`)).status(), 404);
});

check("what is wrong is told in words, with its runbook", async (t) => {
  const it = await phone(t, WALL);
  const trouble = { id: "region-parked", severity: "page", what: "parked after repeated failures: Huangpu", action: "see the log", runbook: "actors" };
  await twisted(it, ({ now }) => {
    now.troubles = [trouble, { ...trouble, id: "sheds", severity: "ticket", what: "told to wait" }];
    now.districts[0].parked = true;
    now.log.lost = 3;
  });
  await it.go("/");
  const told = it.page.locator("#banner .trouble.page");
  await told.waitFor();
  const text = await told.innerText();
  assert.ok(text.includes("Act now") && text.includes("Parked after repeated failures: Huangpu"), text);
  assert.equal(await it.page.locator("#banner .trouble").count(), 2);
  await it.page.locator("#lost.ill").getByText("3").waitFor();
  await it.page.locator(".cell.ill").getByText("parked").waitFor();
  await it.look("overview-trouble");
  await it.page.getByRole("link", { name: "Runbook region-parked" }).click();
  await it.says("## region-parked");
});

check("a trouble that goes on keeps the keyboard's focus, and is read aloud once", async (t) => {
  const it = await phone(t, WALL);
  let rate = 1, worse = false;
  await twisted(it, ({ now }) => {
    const sheds = { id: "sheds", severity: "ticket", what: `told to wait ${(rate += 1)} times`, action: "see what is full", runbook: "punches" };
    const parked = { ...sheds, id: "region-parked", severity: "page", what: "parked: Huangpu" };
    now.troubles = worse ? [parked, sheds] : [sheds];
  });
  await it.go("/");
  const link = it.page.getByRole("link", { name: "Runbook sheds" });
  await link.focus();
  const aloud = await it.page.locator("#aloud").innerText();
  assert.match(aloud, /^Look today: told to wait \d+ times$/);
  const first = await it.page.locator("#banner .what").innerText();
  await it.page.waitForFunction((first) => document.querySelector("#banner .what").textContent !== first, first);
  assert.equal(await it.page.locator("#aloud").innerText(), aloud);
  worse = true;
  await it.page.locator("#banner .trouble.page").waitFor();
  assert.equal(await it.page.locator("#aloud").innerText(), "Act now: parked: Huangpu");
  assert.ok(await link.evaluate((link) => link === document.activeElement), "the focus is where it was");
});

check("a clock that is set back does not stop it", async (t) => {
  const it = await phone(t, WALL);
  let back = 0;
  await twisted(it, (answer) => {
    answer.now_ms -= back;
    answer.rows.forEach((row) => (row[1] -= back));
  });
  await it.go("/");
  await state(it, "live");
  const hour = () => it.page.locator("#as-of").innerText();
  const before = await hour();
  back = 3_600_000;
  await it.page.waitForFunction((before) => document.querySelector("#as-of").textContent.slice(0, 2) !== before.slice(0, 2), before);
  const first = await hour();
  await it.page.waitForFunction((first) => document.querySelector("#as-of").textContent !== first, first);
  await state(it, "live");
});

check("a gateway that has just started says so kindly", async (t) => {
  const it = await phone(t, WALL);
  await twisted(it, (answer) => Object.assign(answer, { now: null, rows: [], columns: [] }));
  await it.go("/");
  await it.says("The gateway has just started");
  await state(it, "starting");
  assert.equal(await it.page.locator(".trouble").count(), 0);
});

check("a keyboard is enough to look back", async (t) => {
  const it = await phone(t, WALL);
  await it.go("/");
  await it.page.locator("#punches canvas").waitFor();
  await it.page.locator("#punches").focus();
  await it.page.keyboard.press("ArrowLeft");
  await it.page.keyboard.press("ArrowLeft");
  await it.says("looking at ");
  await it.page.keyboard.press("Escape");
  await it.page.locator("#at-cursor").waitFor({ state: "hidden" });
  assert.match(await it.page.locator("#punches .plot").getAttribute("aria-label"), /^Punches: [\d.,]+ \/s\. green .*red .*\.$/);
});

check("it fits on a laptop and a phone, light and dark", async (t) => {
  for (const [name, width, height, colorScheme] of [["laptop", 1280, 800, "light"], ["phone", 390, 844, "dark"]]) {
    const it = await phone(t, { viewport: { width, height }, locale: "en", colorScheme });
    await it.go("/");
    await state(it, "live");
    await it.page.locator("#sync canvas").waitFor();
    await it.look(`overview-${name}`);
  }
});

check("a gateway that is gone is told with when it was last seen, until it is back", async (t) => {
  const it = await phone(t, WALL);
  await it.go("/");
  await state(it, "live");
  await order("kill");
  await state(it, "broken");
  const text = await it.page.locator("#banner .trouble.page").innerText();
  assert.match(text, /The gateway does not answer, last seen \d\d:\d\d:\d\d/);
  await it.look("overview-gone");
  const before = await it.page.locator("#as-of").innerText();
  await order("start");
  await state(it, "live");
  await it.page.waitForFunction((before) => document.querySelector("#as-of").textContent !== before, before);
  await it.page.locator("#banner .calm").waitFor();
  assert.equal(await it.page.locator(".trouble").count(), 0);
  const refused = it.wrong.splice(0).filter((said) => !/ERR_CONNECTION|ERR_EMPTY|ERR_INCOMPLETE/.test(said));
  assert.deepEqual(refused, [], "a browser says when nobody answers, and nothing else");
});
