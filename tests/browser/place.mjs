// A place's code: any scanner app opens its link; the page punches once for a press, and the travel module stands on what it came to.

import assert from "node:assert/strict";
import { PAGES, ask, demo, metric } from "./city.mjs";
import { figure } from "./measure.mjs";
import { check, phone, signIn } from "./phone.mjs";
import { fill } from "./forms.mjs";

let made;

/** A place of these tests: what its printed code leads to, and its number. */
export async function place() {
  const add = () => ask("place", "add", "八一广场测试口", "--region", "1", "--kind", "checkpoint");
  made ??= (await add())[0].places[0];
  return { path: `/p/${made.link}`, number: String(made.place) };
}

const punches = () => metric("changtong_punches_total");

async function press({ page }) {
  await page.getByRole("button", { name: /^打卡/ }).click();
  await page.waitForURL(/\/done\//);
  await page.locator("[data-colour]").waitFor();
}

check("the place's page is light and changes nothing; a press punches once, a reload never", async (t) => {
  const { path } = await place();
  const it = await phone(t, { person: await demo("two days in Hong Kong") });
  const before = await punches();
  it.bytes = 0;
  await it.go(path);
  await figure("weight of /p/…", { bytes: it.bytes });
  assert.ok(it.bytes <= 30 * 1024, `${it.bytes} bytes`);
  await it.look("place");
  await it.page.reload();
  assert.equal(await punches(), before, "a GET punches for nobody");
  const begun = Date.now();
  await press(it);
  await figure("press to success page", { ms: Date.now() - begun });
  assert.equal(await punches(), before + 1);
  await it.look("place-done-green");
  const clock = it.page.locator("#clock");
  const first = await clock.innerText();
  await it.page.waitForFunction((first) => document.querySelector("#clock").innerText !== first, first);
  await it.page.reload();
  await it.page.goBack();
  await it.page.goForward();
  assert.equal(await punches(), before + 1, "a reload punches for nobody twice");
  const forwarded = await phone(t, { person: await demo("in Wuhan to this day") });
  await forwarded.go(new URL(it.page.url()).pathname);
  assert.equal(await forwarded.page.locator("[data-colour]").count(), 0, "another's result is nobody else's");
  await forwarded.look("place-done-gone");
});

check("red, elder, without JavaScript, in letters of twice the size", async (t) => {
  const { path } = await place();
  for (const [name, story, colour, how] of [
    ["place-done-red", "in Wuhan to this day", "red", {}],
    ["place-done-elder", "two days in Hong Kong", "green", { elder: true }],
    ["place-done-no-script", "in Wuhan until the window begins", "green", { script: false }],
    ["place-done-font-200", "two days in Hong Kong", "green", { font: 2 }],
  ]) {
    const it = await phone(t, { person: await demo(story), ...how });
    await it.go(path);
    await press(it);
    assert.equal(await it.page.locator("[data-colour]").first().getAttribute("data-colour"), colour);
    await it.look(name);
  }
});

check("not signed in: to the sign-in; no code: to the form; and back to the place each time", async (t) => {
  const { path } = await place();
  const person = await demo("nobody's number");
  const it = await phone(t);
  await it.go(path);
  await signIn(it, person);
  assert.equal(new URL(it.page.url()).pathname, path);
  await it.look("place-no-code");
  await it.page.getByRole("link", { name: "首次申领" }).click();
  await fill(it, person);
  await it.page.locator("input[name=declared][value=no]").check();
  await it.page.getByRole("button", { name: "提交申领" }).click();
  await it.page.getByRole("button", { name: /^打卡/ }).waitFor();
  assert.equal(new URL(it.page.url()).pathname, path, "back to the place");
});

check("a link that is no place's", async (t) => {
  const it = await phone(t, { person: await demo("two days in Hong Kong") });
  const answer = await it.page.goto(`${PAGES}/p/AAAAAAAAAAAAAAAA`);
  assert.equal(answer.status(), 404);
  await it.look("place-none");
});
