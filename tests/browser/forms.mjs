// Applying and modifying with the travel module inside: every row of the outcome table, once by a person who has that story.

import assert from "node:assert/strict";
import { demo, whileCarrier } from "./city.mjs";
import { refused } from "./front.mjs";
import { figure } from "./measure.mjs";
import { check, phone } from "./phone.mjs";

const PLAIN = { script: false };
const LARGE = { font: 2 };
const ELDER = { elder: true };

/** Types who it is and where they live, as far as the form asks. */
export async function fill({ page }, person) {
  await page.getByLabel("姓名").fill(person.name);
  const number = page.getByLabel("证件号码");
  if (await number.count()) await number.fill(person.document);
  await page.getByLabel("区县").selectOption("360102");
}

/** Ticks the consent, asks, and waits for what comes: the outcome's name. */
export async function consent({ page, script }) {
  assert.equal(await page.locator("#travel-said[role=status]").count(), 1, "what reads results out is there from the start");
  const agree = page.getByLabel("我授权查询");
  assert.equal(await agree.isChecked(), false, "consent is not ticked beforehand");
  await agree.check();
  await page.getByRole("button", { name: "授权并查询" }).click();
  const came = page.locator("[data-outcome]");
  await came.waitFor();
  if (script) {
    assert.equal(await page.evaluate(() => document.activeElement.id), "travel-title", "the result's heading has the focus");
    assert.match(await page.locator("#travel-said").innerText(), /初步/, "a screen reader hears the result");
  }
  assert.match(await came.innerText(), /初步/, "every result is called preliminary");
  return came.getAttribute("data-outcome");
}

const field = ({ page }) => page.locator("[data-field]").getAttribute("data-field");

/** Says yes or no, if there is something to say. */
async function declare({ page }, said) {
  if (said) await page.locator(`input[name=declared][value=${said}]`).check();
}

async function send({ page }) {
  const before = page.url();
  await page.getByRole("button", { name: /^提交/ }).click();
  await page.waitForURL((url) => url.href !== before && url.pathname === "/code");
}

/** What "my code" shows: colour and whether somebody stands behind it. */
export async function shown({ page }) {
  const sign = page.locator("[data-colour]").first();
  const colour = await sign.getAttribute("data-colour");
  const basis = (await sign.innerText()).includes("已核验") ? "verified" : "declared";
  return `${colour} ${basis}`;
}

/** Applies from the form to the code. */
export async function apply(it, person, said) {
  await it.go("/apply");
  await fill(it, person);
  await declare(it, said);
  await send(it);
  return shown(it);
}

// story, carrier, outcome, field, what is said, what comes of it, how it is looked at
const ROWS = [
  ["clean", "china-mobile", "clean", "no", null, "green verified", {}],
  ["clean", "china-unicom", "clean", "no", "yes", "red declared", {}],
  ["thirty hours in Wuhan", null, "stay", "locked", null, "red verified", {}],
  ["three days in Italy", null, "stay", "locked", null, "red verified", ELDER],
  ["four hours in Wuhan exactly", null, "stay", "locked", null, "red verified", PLAIN],
  ["in Wuhan until the window begins", null, "clean", "no", null, "green verified", PLAIN],
  ["in Wuhan to this day", null, "stay", "locked", null, "red verified", LARGE],
  ["two days in Hong Kong", null, "clean", "no", null, "green verified", LARGE],
  ["ported long ago", null, "clean", "no", null, "green verified", { ...PLAIN, ...ELDER }],
  ["ported in the window", null, "partial", "declare", "no", "green declared", {}],
  ["ported in the window, then in Wuhan", null, "stay", "locked", null, "red verified", {}],
  ["new number", null, "new-number", "declare", "yes", "red declared", ELDER],
  ["a thing's number", null, "unanswerable", "declare", "no", "green declared", PLAIN],
];

for (const [story, carrier, outcome, then, said, comes, how] of ROWS) {
  check(`applying: ${story}${said ? `, says ${said}` : ""} → ${comes}`, async (t) => {
    const person = await demo(story, carrier);
    const it = await phone(t, { person, ...how });
    const name = `apply-${outcome}${said ? `-says-${said}` : ""}-${story.replaceAll(/\W+/g, "-").toLowerCase()}`;
    await it.go("/apply");
    await fill(it, person);
    assert.equal(await consent(it), outcome);
    assert.equal(await field(it), then);
    assert.equal(await it.page.getByLabel("姓名").inputValue(), person.name, "what was typed stays");
    const isLocked = await it.page.locator("input[name=declared][value=no]").isDisabled();
    assert.equal(isLocked, then === "locked");
    const offers = await it.page.locator(".links a").count();
    assert.equal(offers > 0, !["clean", "stay"].includes(outcome), "the carriers' own pages, when there is no answer");
    await declare(it, said);
    await it.look(name);
    await send(it);
    assert.equal(await shown(it), comes);
  });
}

check("without consent the citizen declares, and modifies later with consent", async (t) => {
  for (const [story, comes] of [["a minute less than four hours in Wuhan", "green verified"], ["an hour in Italy", "red verified"]]) {
    const person = await demo(story);
    const it = await phone(t, { person });
    await it.go("/apply");
    await fill(it, person);
    await it.page.getByRole("button", { name: "提交申领" }).click();
    await it.page.locator("#declared-wrong").getByText("请选择“有”或“无”").waitFor();
    await it.look(`apply-nothing-said-${comes.slice(0, 3)}`);
    assert.equal(await apply(it, person, "no"), "green declared");
    await it.go("/modify");
    await consent(it);
    await it.look(`modify-${comes.replace(" ", "-")}`);
    await send(it);
    assert.equal(await shown(it), comes);
  }
});

/** Runs inside the page: texts of a choice that are not told from its ground. What measures contrasts leaves out whatever is disabled. */
function pale(choice) {
  const light = (ofElement) => {
    const [red, green, blue] = ofElement.match(/[\d.]+/g).map((value) => value / 255).map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = light(getComputedStyle(choice).backgroundColor);
  const contrast = (element) => {
    const [low, high] = [light(getComputedStyle(element).color), ground].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  return [...choice.querySelectorAll("span, b")].filter((part) => contrast(part) < 4.5).map((part) => `${part.innerText} at ${contrast(part).toFixed(1)}`);
}

check("a locked yes is not shaken off, whatever is sent", async (t) => {
  const person = await demo("thirty hours in Wuhan");
  const it = await phone(t, { person });
  await it.go("/apply");
  await it.look("apply-again");
  assert.equal(await field(it), "locked", "the stay is known without another consent");
  await fill(it, person);
  await it.page.locator("input[name=declared]").evaluateAll((boxes) => boxes.forEach((box) => (box.disabled = false)));
  await declare(it, "no");
  await it.page.getByRole("button", { name: "提交申领" }).click();
  await it.page.locator("#declared-wrong").getByText("疫区居住史不能填“无”").waitFor();
  await it.look("apply-locked-sent-as-no");
  assert.deepEqual(await it.page.locator(".choice:has(:checked)").evaluate(pale), [], "what a locked yes leads to is read as easily as all else");
  await it.go("/code");
  assert.equal(await shown(it), "red verified");
});

check("a slow carrier: the link after five seconds, the form as it was, and the late answer", async (t) => {
  const person = await demo("clean", "china-telecom");
  const it = await phone(t, { person });
  await whileCarrier("china-telecom", "slow", ["--ms", "6500"], async () => {
    await it.go("/apply");
    await fill(it, person);
    await it.page.getByLabel("我授权查询").check();
    const begun = Date.now();
    await it.page.getByRole("button", { name: "授权并查询" }).click();
    await it.page.locator(".spin").waitFor();
    await it.page.locator(".links a").first().waitFor();
    await figure("travel link", { link_ms: Date.now() - begun });
    await it.look("apply-waiting-long");
    await it.page.locator("[data-outcome=clean]").waitFor();
    await figure("late answer", { late_ms: Date.now() - begun });
    assert.equal(await field(it), "no");
    assert.equal(await it.page.getByLabel("证件号码").inputValue(), person.document, "what was typed stays");
  });
  await it.look("apply-late-answer");
  await it.page.getByRole("button", { name: "撤回授权" }).click();
  await it.page.locator("#travel").getByText("授权已撤回").waitFor();
  await it.look("apply-withdrawn");
  assert.equal(await field(it), "declare", "what was answered is gone with the consent");
});

check("a carrier that is down: the link at once, and what is declared counts", async (t) => {
  const person = await demo("clean", "china-telecom");
  for (const how of [{}, PLAIN]) {
    const it = await phone(t, { person, ...how });
    await whileCarrier("china-telecom", "down", [], async () => {
      await it.go("/apply");
      await fill(it, person);
      assert.equal(await consent(it), "unavailable");
      assert.ok(await it.page.locator(".links a").first().isVisible());
      assert.equal(await field(it), "declare");
    });
    await it.look(`apply-carrier-down${how === PLAIN ? "-no-script" : ""}`);
    await declare(it, "no");
    await send(it);
    assert.equal(await shown(it), "green declared");
  }
});

check("streets are those of the chosen district, with a script and without", async (t) => {
  const person = await demo("nobody's number");
  for (const how of [{}, PLAIN]) {
    const it = await phone(t, { person, ...how });
    const streets = it.page.locator("#street option:not([value=''])");
    await it.go("/apply");
    for (const [district, street] of [["360102", "滕王阁街道"], ["360103", "南浦街道"]]) {
      await it.page.getByLabel("姓名").fill(person.name);
      await it.page.getByLabel("区县").selectOption(district);
      if (how === PLAIN) await it.page.getByRole("button", { name: "列出所选区县的街道" }).click();
      await it.page.locator("#street option", { hasText: street }).waitFor({ state: "attached" });
      const others = await streets.evaluateAll((all, district) => all.filter(({ value }) => !value.startsWith(district)).length, district);
      assert.equal(others, 0, "no other district's");
      assert.equal(await it.page.getByLabel("街道").inputValue(), "", "none is chosen for the citizen");
      assert.equal(await it.page.getByLabel("姓名").inputValue(), person.name, "what was typed stays");
    }
    await it.page.getByLabel("街道").selectOption({ label: "南浦街道" });
    await it.look(`apply-streets${how === PLAIN ? "-no-script" : ""}`);
  }
});

check("names of digits or markup are refused with a reason", async (t) => {
  const person = await demo("nobody's number");
  const it = await phone(t, { person });
  await it.go("/apply");
  for (const name of ["13800138000", "张<b>三</b>"]) {
    await fill(it, { ...person, name });
    await declare(it, "no");
    await it.page.getByRole("button", { name: "提交申领" }).click();
    await refused(it, "name");
    assert.equal(await it.page.getByLabel("姓名").inputValue(), name);
  }
  await it.look("apply-wrong-name");
});

check("nobody's number has no answer, and a wrong document is said beside its field", async (t) => {
  const person = await demo("nobody's number");
  const it = await phone(t, { person });
  await it.go("/apply");
  await fill(it, { ...person, document: "399902199901019999" });
  await declare(it, "no");
  await it.page.getByRole("button", { name: "提交申领" }).click();
  await refused(it, "number");
  assert.equal(await it.page.getByLabel("姓名").inputValue(), person.name, "what was typed stays");
  await it.look("apply-wrong-document");
  await fill(it, person);
  assert.notEqual(await consent(it), "clean", "no answer is not a no");
  assert.equal(await field(it), "declare");
  await it.look("apply-nobody");
});

check("a ward whose guardian's phone was in an epidemic area: the guardian says, and nothing is verified", async (t) => {
  const person = await demo("three days in Italy");
  for (const [said, comes, ward] of [["no", "green declared", "399902201506010037"], ["along", "red declared", "399902201506010053"]]) {
    const it = await phone(t, { person });
    await it.go("/apply/ward");
    await fill(it, { name: "王小宝", document: ward });
    await it.page.getByLabel("我代家人授权查询").check();
    await it.page.getByRole("button", { name: "授权并查询" }).click();
    await it.page.locator("[data-outcome=stay]").waitFor();
    assert.equal(await field(it), "along");
    assert.match(await it.page.locator("[data-field]").innerText(), /提交后为红码，到 \d{4}-\d\d-\d\d 为止/);
    await declare(it, said);
    await it.look(`ward-${said}`);
    await send(it);
    const sign = it.page.locator(".pass", { hasText: "家人" }).last().locator("[data-colour]");
    const shows = `${await sign.getAttribute("data-colour")} ${(await sign.innerText()).includes("已核验") ? "verified" : "declared"}`;
    assert.equal(shows, comes);
  }
});

check("a query without a tick is not made; leaving the form changes nothing", async (t) => {
  const person = await demo("clean", "china-mobile");
  const it = await phone(t, { person });
  await it.go("/modify");
  await it.page.getByRole("button", { name: "授权并查询" }).click();
  await it.page.locator("#travel").getByText("请先勾选授权").waitFor();
  await it.look("modify-not-ticked");
  await declare(it, "yes");
  await it.go("/code");
  assert.equal(await shown(it), "green verified");
});
