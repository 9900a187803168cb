// The staff's phone: an invitation opens a shift once; typed codes, receipts and digits are judged, and the sign is there in a glance.

import assert from "node:assert/strict";
import { ask, command, demo, metric } from "./city.mjs";
import { check, phone } from "./phone.mjs";
import { place } from "./place.mjs";

/** A shift for that phone. */
export async function begin(it) {
  const { number } = await place();
  const [{ invitation }] = await ask("staff", "invite", "--place", number, "--name", "早班");
  const path = new URL(invitation.link).pathname;
  await it.go(path);
  await it.look(it.elder ? "staff-join-elder" : "staff-join");
  await it.page.getByRole("button", { name: "开始值班" }).click();
  await it.page.waitForURL(/\/staff$/);
  return { path, shift: String(invitation.shift) };
}

check("without a camera: typed, nothing shown, the shift's end; without JavaScript, in large letters", async (t) => {
  const it = await phone(t, { script: false, elder: true });
  await begin(it);
  await it.look("staff-elder-no-script");
  await it.page.getByLabel("输入码文字").fill("https://example.org/pay");
  await it.page.getByRole("button", { name: "查验" }).click();
  await it.page.locator("#verdict[data-advice=not-a-pass-code]").waitFor();
  await it.look("staff-not-a-pass-code");
  await it.page.getByText("无手机、无纸码").click();
  await it.look("staff-nothing-asks");
  await it.page.getByRole("button", { name: "确认：记录一位未出示者" }).click();
  await it.page.locator("#verdict[data-reason=nothing-shown]").waitFor();
  await it.look("staff-nothing-shown");
  await it.page.getByRole("button", { name: "结束值班" }).click();
  const answer = await it.go("/staff");
  assert.equal(answer.status(), 403);
  it.elder = false;
  await it.look("staff-over");
});

check("a receipt on the citizen's page shows staff the least, once", async (t) => {
  const { path } = await place();
  const citizen = await phone(t, { person: await demo("an hour in Italy") });
  await citizen.go(path);
  await citizen.page.getByRole("button", { name: /^打卡/ }).click();
  await citizen.page.waitForURL(/\/done\//);
  await citizen.page.getByLabel("我授权查询").check();
  await citizen.page.getByRole("button", { name: "让卡点设备查询" }).click();
  const receipt = citizen.page.locator("[data-receipt]");
  await receipt.waitFor();
  await citizen.look("place-receipt");
  const it = await phone(t);
  await begin(it);
  const type = async () => {
    await it.page.getByLabel("输入码文字").fill(await receipt.getAttribute("data-receipt"));
    await it.page.getByRole("button", { name: "查验" }).click();
  };
  await type();
  await it.page.locator("#verdict[data-kind=travel][data-stay=yes]").waitFor();
  await it.look("staff-travel");
  await citizen.page.locator("[data-scanned]").waitFor();
  assert.match(await citizen.page.locator("[data-scanned]").innerText(), /已于 \d\d:\d\d 扫码/);
  await citizen.page.locator("[data-stay=yes]").waitFor();
  await citizen.look("place-receipt-scanned");
});

check("the receipt beside an answer shows staff the same answer, and asks nobody again", async (t) => {
  const { path } = await place();
  const citizen = await phone(t, { person: await demo("two days in Hong Kong") });
  await citizen.go(path);
  await citizen.page.getByRole("button", { name: /^打卡/ }).click();
  await citizen.page.waitForURL(/\/done\//);
  await citizen.page.getByLabel("我授权查询").check();
  await citizen.page.getByRole("button", { name: "授权并查询" }).click();
  await citizen.page.locator("[data-stay=no]").waitFor();
  const receipt = await citizen.page.locator("[data-receipt]").getAttribute("data-receipt");
  const asked = await metric("changtong_carrier_queries_total");
  for (const told of ["[data-kind=travel][data-stay=no]", "text=/已用过/"]) {
    const it = await phone(t, { script: false });
    await begin(it);
    await it.page.getByLabel("输入码文字").fill(receipt);
    await it.page.getByRole("button", { name: "查验" }).click();
    await it.page.locator(told).first().waitFor();
  }
  assert.equal(await metric("changtong_carrier_queries_total"), asked, "one consent is one query");
  await citizen.page.locator("[data-scanned]").waitFor();
  assert.equal(await citizen.page.locator("[data-stay=no]").count(), 1, "the answer stays");
  await citizen.look("place-travel-scanned");
});

check("eight digits stand for a code that no camera can read, once", async (t) => {
  const citizen = await phone(t, { person: await demo("two days in Hong Kong"), script: false });
  await citizen.go("/code");
  await citizen.page.getByRole("button", { name: "8位数字" }).first().click();
  const digits = await citizen.page.locator("#digits").innerText();
  assert.match(digits, /^\d{4} \d{4}$/);
  await citizen.look("digits");
  for (const sign of ["[data-colour=green][data-advice=pass]", "[data-reason=digits-over]"]) {
    const it = await phone(t, { script: false });
    await begin(it);
    await it.page.getByLabel("输入码文字").fill(digits);
    await it.page.getByRole("button", { name: "查验" }).click();
    await it.page.locator(`#verdict${sign}`).waitFor();
    await it.look(`staff-digits${sign.includes("over") ? "-over" : ""}`);
  }
});

check("an operator ends a shift from afar", async (t) => {
  const it = await phone(t);
  const { shift } = await begin(it);
  await command("staff", "revoke", shift);
  await it.page.reload();
  await it.page.getByText("本次值班已结束").waitFor();
});
