// My code and what hangs on it: rotation, a lost connection, wards, paper, why, appeal, who looked, privacy.

import assert from "node:assert/strict";
import { demo } from "./city.mjs";
import { figure } from "./measure.mjs";
import { check, phone } from "./phone.mjs";
import { fill } from "./forms.mjs";

const WARD = { name: "王小宝", document: "399902201506010010" };

check("my code, light, with its age, in every view", async (t) => {
  const person = await demo("clean", "china-mobile");
  for (const [name, how] of [["code-green", {}], ["code-green-elder", { elder: true }], ["code-green-font-200", { font: 2 }], ["code-green-no-script", { script: false }]]) {
    const it = await phone(t, { person, ...how });
    it.bytes = 0;
    await it.go("/code");
    await it.page.locator(".qr svg").first().waitFor();
    if (name === "code-green") await figure("weight of /code", { bytes: it.bytes });
    assert.ok(it.bytes <= 30 * 1024, `${it.bytes} bytes`);
    await it.look(name);
  }
  const red = await phone(t, { person: await demo("thirty hours in Wuhan") });
  await red.go("/code");
  await red.page.getByRole("link", { name: "12345" }).waitFor();
  await red.look("code-red");
  const below = (selector) => red.page.locator(selector).last().evaluate((part) => part.getBoundingClientRect().bottom);
  const top = await red.page.locator(".pass .after").first().evaluate((part) => part.getBoundingClientRect().top);
  assert.ok(top - (await below(".pass form[action='/code/digits'] button")) >= 8, "what to do now does not touch the buttons above it");
});

check("large letters or a phone on its side: the QR first, and whole", async (t) => {
  const person = await demo("clean", "china-mobile");
  for (const [name, how] of [
    ["code-elder-first", { elder: true }],
    ["code-landscape", { viewport: { width: 640, height: 360 } }],
    ["code-landscape-elder", { elder: true, viewport: { width: 740, height: 360 } }],
    ["code-narrow", { viewport: { width: 320, height: 568 } }],
  ]) {
    const it = await phone(t, { person, ...how });
    await it.go("/code");
    const { x, y, width, height } = await it.page.locator(".qr svg").first().boundingBox();
    const { width: wide, height: high } = it.page.viewportSize();
    assert.ok(x >= 0 && y >= 0 && x + width <= wide && y + height <= high, `${name}: ${JSON.stringify({ x, y, width, height })}`);
    assert.ok(width >= 180, `${name}: ${width} px are too few for a cheap scanner`);
    await it.look(name);
  }
});

check("the view is switched where the visitor is, with what was typed and what came", async (t) => {
  const person = await demo("clean", "china-unicom");
  for (const script of [true, false]) {
    const it = await phone(t, { person, script });
    await it.go("/apply/ward");
    await it.page.getByLabel("姓名").fill("写了一半");
    await it.page.locator("input[name=declared][value=yes]").check();
    await it.page.getByRole("button", { name: "大字版" }).click();
    await it.page.locator("html.elder").waitFor();
    await it.page.getByRole("button", { name: "标准版" }).waitFor();
    assert.equal(new URL(it.page.url()).pathname, "/apply/ward");
    assert.equal(await it.page.getByLabel("姓名").inputValue(), "写了一半");
    assert.ok(await it.page.locator("input[name=declared][value=yes]").isChecked());
    it.elder = true;
    await it.look(`view-switched${script ? "" : "-no-script"}`);
  }
});

check("the code is renewed by itself, and one that is too old is taken away", async (t) => {
  const it = await phone(t, { person: await demo("clean", "china-mobile") });
  await it.page.clock.install();
  await it.go("/code");
  const picture = () => it.page.locator(".qr svg").first().evaluate((svg) => svg.outerHTML);
  const first = await picture();
  // Two codes of one second are the same.
  const made_s = Number(await it.page.locator("#passes").getAttribute("data-at"));
  while (Date.now() / 1000 < made_s + 1) await new Promise((done) => setTimeout(done, 20));
  const renewed = it.page.waitForResponse((answer) => answer.url().endsWith("/code/qr"));
  await it.page.clock.runFor(31_000);
  await renewed;
  await it.page.clock.runFor(1_000);
  for (let tries = 0; (await picture()) === first; tries += 1) assert.ok(tries < 200, "another picture");
  await it.context.setOffline(true);
  await it.page.clock.runFor(40_000);
  assert.equal(await it.page.locator(".qr svg").count(), 1, "a dropped connection is survived for as long as the code is good");
  await it.page.clock.runFor(40_000);
  await it.page.locator("[data-colour=unknown]").waitFor();
  assert.equal(await it.page.locator(".qr svg").count(), 0, "never shown as if it were good");
  await it.look("code-expired");
  await it.context.setOffline(false);
  const back = it.page.waitForResponse((answer) => answer.url().endsWith("/code/qr") && answer.ok());
  await it.page.clock.runFor(10_000);
  await back;
  await it.page.locator("[data-colour=green]").waitFor();
  it.wrong = it.wrong.filter((what) => !/ERR_INTERNET_DISCONNECTED/.test(what));
});

check("a ward's code is a swipe away", async (t) => {
  const it = await phone(t, { person: await demo("clean", "china-mobile") });
  await it.go("/apply/ward");
  await fill(it, WARD);
  await it.page.locator("input[name=declared][value=no]").check();
  await it.look("apply-ward");
  await it.page.getByRole("button", { name: "提交申领" }).click();
  await it.page.waitForURL(/\/code/);
  assert.equal(await it.page.locator(".pass").count(), 2);
  const left = () => it.page.locator(".pass").nth(1).evaluate((pass) => pass.getBoundingClientRect().left);
  assert.ok((await left()) > 300, "the ward's is beside the screen");
  await it.page.locator("#passes").focus();
  await it.page.locator("#passes").evaluate((box) => box.scrollTo({ left: box.scrollWidth, behavior: "instant" }));
  await it.page.waitForFunction(() => document.querySelectorAll(".pass")[1].getBoundingClientRect().left < 60);
  await it.look("code-ward");
});

check("paper, why, appeal, who looked, privacy", async (t) => {
  const person = await demo("thirty hours in Wuhan");
  const it = await phone(t, { person });
  await it.go("/code");
  await it.page.getByRole("link", { name: "纸质码" }).first().click();
  await it.page.locator("svg").first().waitFor();
  await it.look("paper");
  await it.go("/why");
  await it.look("why-red");
  await it.page.getByRole("link", { name: "对此提出申诉" }).first().click();
  await it.look("appeal");
  await it.page.getByRole("textbox").fill("那几天我在南昌，没有离开。");
  await it.page.getByRole("button", { name: "提交申诉" }).click();
  await it.page.getByText("已提交，请等待答复").first().waitFor();
  await it.look("appeal-open");
  await it.go("/looked");
  await it.look("looked");
  await it.go("/privacy");
  await it.look("privacy");
  for (const [name, how] of [["privacy-signed-out-elder", { elder: true }], ["privacy-font-200", { font: 2 }]]) {
    const other = await phone(t, how);
    await other.go("/privacy");
    await other.look(name);
  }
});
