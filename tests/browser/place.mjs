// A place's code: any scanner app opens its link; the page punches once for a press, and the travel module stands on what it came to.

import assert from "node:assert/strict";
import { PAGES, ask, command, demo, metric, stranger, whileCarrier } from "./city.mjs";
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
    const moves = it.page.getByText("时钟会走动");
    assert.equal(await moves.isVisible(), it.script, "a clock that stands still is not said to move");
    await it.look(name);
  }
});

check("not signed in: to the sign-in; no code: to the form; and back to the place each time", async (t) => {
  const { path } = await place();
  const person = stranger(3);
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

check("the travel module on what a punch came to: shown to staff, changes no colour", async (t) => {
  const { path } = await place();
  for (const [story, carrier, stay, name, how] of [
    ["an hour in Italy", null, "yes", "place-travel-stay", {}],
    ["clean", "china-unicom", "no", "place-travel-clean", { elder: true }],
    ["ported in the window", null, "unknown", "place-travel-partial", { script: false }],
  ]) {
    const it = await phone(t, { person: await demo(story, carrier), ...how });
    const { page } = it;
    await it.go(path);
    await press(it);
    const colour = () => page.locator("[data-colour]").first().getAttribute("data-colour");
    const before = await colour();
    const agree = page.getByLabel("我授权查询");
    assert.equal(await agree.isChecked(), false, "consent is not ticked beforehand");
    assert.doesNotMatch(await page.locator("#travel").innerText(), /申报|declare/, "there is nothing to declare with");
    await agree.check();
    await page.getByRole("button", { name: "授权并查询" }).click();
    const showing = page.locator("[data-stay]");
    await showing.waitFor();
    if (it.script) assert.equal(await page.evaluate(() => document.activeElement.id), "travel-title", "the result's heading has the focus");
    assert.equal(await showing.getAttribute("data-stay"), stay);
    if (!how.elder) {
      for (const part of ["[data-colour]", "#clock", ".panel .who", ".showing .word", ".showing .qr svg"]) {
        const box = await page.locator(part).first().boundingBox();
        assert.ok(box && box.y >= 0 && box.y + box.height <= 640, `${part} is whole in the first view: ${JSON.stringify(box)}`);
      }
      assert.match(await page.locator(".panel .now").innerText(), /^[\d:\s]*[^\d:\s]＊/, "a masked name beside the clock");
    }
    assert.match(await showing.innerText(), /初步/);
    assert.ok(!/武汉|意大利|420100|IT/.test(await showing.innerText()), "the least detail, until the citizen taps");
    await it.look(name);
    if (stay === "yes") {
      await page.getByText("点按显示到过的地方").click();
      await it.look("place-travel-cities");
    }
    assert.equal(await colour(), before);
    await page.getByRole("button", { name: "撤回授权" }).click();
    await page.locator("#travel").getByText("授权已撤回").waitFor();
    await it.go("/code");
    assert.equal(await colour(), before, "a query from a place changes no colour");
  }
});

check("no answer at a place: the carriers' own page after five seconds at the latest", async (t) => {
  const { path } = await place();
  const it = await phone(t, { person: await demo("in Wuhan until the window begins") });
  await it.go(path);
  await press(it);
  await whileCarrier("china-telecom", "hang", ["--ms", "20000"], async () => {
    await it.page.getByLabel("我授权查询").check();
    const begun = Date.now();
    await it.page.getByRole("button", { name: "授权并查询" }).click();
    await it.page.locator(".links a").first().waitFor();
    const link_ms = Date.now() - begun;
    await figure("travel link at a place", { link_ms });
    assert.ok(link_ms <= 5_000, `the link came after ${link_ms} ms`);
    await it.look("place-travel-waiting");
    await it.page.locator("[data-stay=unknown]").waitFor();
    await it.look("place-travel-unknown");
  });
});

check("a unit applies, an operator approves, the poster's code leads to the place", async (t) => {
  const it = await phone(t, { person: await demo("two days in Hong Kong") });
  await it.go("/unit");
  await it.page.getByLabel("单位名称").fill("滕王阁小区");
  await it.look("unit");
  await it.page.getByRole("button", { name: "提交申请" }).click();
  await it.page.locator("[data-state]").waitFor();
  const listed = JSON.stringify(await ask("unit", "list"));
  const [, unit] = listed.match(/"unit":(\d+)/) ?? assert.fail(listed);
  await command("unit", "approve", unit);
  await it.page.reload();
  await it.look("unit-approved");
  await it.page.getByRole("link", { name: "打印场所码海报" }).click();
  await it.page.locator(".poster > svg").waitFor();
  await it.look("poster");
});

check("a link that is no place's", async (t) => {
  const it = await phone(t, { person: await demo("two days in Hong Kong") });
  const answer = await it.page.goto(`${PAGES}/p/AAAAAAAAAAAAAAAA`);
  assert.equal(answer.status(), 404);
  await it.look("place-none");
});
