// The staff's page in the hand: the sign whole on the screen and the field for the next code below it, on every screen; whatever a
// scanner types reaches the gateway as it is, wherever a finger was last; one live region; who shows nothing is asked for once.

import assert from "node:assert/strict";
import { metric } from "./city.mjs";
import { onPaper, onPhone, people } from "./codes.mjs";
import { check, phone } from "./phone.mjs";
import { begin } from "./staff.mjs";

const SCREENS = [
  ["small", { viewport: { width: 360, height: 640 } }],
  ["narrow", { viewport: { width: 320, height: 568 } }],
  ["side", { viewport: { width: 640, height: 360 } }],
  ["keyboard", { viewport: { width: 360, height: 330 } }],
  ["dark", { viewport: { width: 360, height: 640 }, colorScheme: "dark" }],
  ["large", { viewport: { width: 360, height: 640 }, elder: true }],
];

async function type({ page }, text) {
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** Runs inside the page: what of the sign and the field cannot be seen. */
function hidden() {
  const box = (element) => element.getBoundingClientRect();
  const [sign, hands] = [document.getElementById("verdict"), document.querySelector(".hands")];
  const wrong = [];
  if (sign.scrollHeight > sign.clientHeight + 1) wrong.push(`the sign is ${sign.scrollHeight - sign.clientHeight} px too high`);
  if (sign.scrollWidth > sign.clientWidth + 1) wrong.push("the sign is too wide");
  for (const part of sign.children) {
    const { top, bottom, left, right, height } = box(part);
    if (height > 0 && (top < 0 || bottom > box(hands).top + 1 || left < 0 || right > innerWidth + 1)) wrong.push(`${part.className || part.tagName} at ${top} to ${bottom}`);
  }
  for (const part of [document.getElementById("text"), hands.querySelector("button")]) {
    const { top, bottom } = box(part);
    if (top < 0 || bottom > innerHeight) wrong.push(`${part.tagName} at ${top} to ${bottom}`);
  }
  if (document.activeElement?.id !== "text") wrong.push(`${document.activeElement?.tagName} has the focus`);
  return wrong;
}

check("the sign is whole and the next field below it on every screen, the field has the focus, and all is said in one live region", async (t) => {
  const [green, red] = [await people("green"), await people("red")];
  for (const [screen, options] of SCREENS) {
    const it = await phone(t, options);
    await begin(it);
    await it.page.evaluate(() => { window.live = document.getElementById("live"); });
    const signs = [
      ["pass", "[data-advice=pass]", await onPhone(green.pop())],
      ["stop", "[data-advice=stop]", await onPhone(red[0])],
      ["document", "[data-advice=check-document]", await onPaper(green.pop())],
      ["no-code", "[data-advice=not-a-pass-code]", "https://example.org/pay"],
      ["too-long", "[data-reason=staff-too-long]", "A".repeat(5_000)],
    ];
    for (const [sign, shown, text] of signs) {
      await it.page.locator("#text").fill(text);
      await it.page.keyboard.press("Enter");
      await it.page.locator(`#verdict.over${shown}`).waitFor();
      assert.deepEqual(await it.page.evaluate(hidden), [], `${screen}, ${sign}`);
      await it.look(`staff-${screen}-${sign}`);
      assert.equal(await it.page.evaluate(() => window.live === document.querySelector("[aria-live]") && window.live.contains(document.getElementById("verdict"))), true);
      assert.equal(await it.page.locator("[role=alert]").count(), 0, "one live region");
    }
    await it.page.locator("#verdict").click();
    await it.look(`staff-${screen}-list`);
  }
});

check("what a scanner types reaches the gateway as it is, wherever a finger was last, also with a tab behind it", async (t) => {
  const it = await phone(t);
  await begin(it);
  const sent = [];
  it.page.on("request", (request) => {
    if (request.url().endsWith("/staff/scan")) sent.push(JSON.parse(request.postData()).text);
  });
  const until = (count) => it.page.locator("#scans [data-said]").nth(count - 1).waitFor();
  for (const text of [" LEADING SPACE", "]Q1AIM", "\\000026ECI", "trailing "]) await type(it, text);
  await until(4);
  await it.page.getByText("无手机、无纸码").click();
  await type(it, " AFTER A TOUCH");
  await until(5);
  await it.page.evaluate(() => document.activeElement.blur());
  await type(it, " FROM NOWHERE");
  await until(6);
  await it.page.evaluate(() => {
    const field = document.getElementById("text");
    field.focus();
    field.value = "TAB BEHIND";
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Tab", bubbles: true, cancelable: true }));
  });
  await until(7);
  assert.deepEqual(sent, [" LEADING SPACE", "]Q1AIM", "\\000026ECI", "trailing ", " AFTER A TOUCH", " FROM NOWHERE", "TAB BEHIND"]);
  assert.equal(await it.page.locator("#scans li").count(), 7);
});

check("whoever shows nothing is recorded at the second touch", async (t) => {
  const it = await phone(t);
  await begin(it);
  const punches = () => metric("changtong_punches_total");
  const before = await punches();
  const area = (locator) => locator.evaluate((element) => element.offsetWidth * element.offsetHeight);
  const opener = it.page.locator(".nothing summary");
  const buttons = await it.page.locator("#staff button:visible").all();
  for (const button of buttons.slice(0, 1)) assert.ok((await area(button)) > (await area(opener)), "it is not the biggest");
  await opener.click();
  assert.equal(await punches(), before);
  await it.page.getByRole("button", { name: "确认：记录一位未出示者" }).click();
  await it.page.locator("#verdict[data-reason=nothing-shown]").waitFor();
  assert.equal(await punches(), before + 1);
  assert.equal(await it.page.getByRole("button", { name: "确认：记录一位未出示者" }).isVisible(), false);
});
