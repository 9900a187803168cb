// The front page, signing in and out, the two views, and what protects every page.

import assert from "node:assert/strict";
import { PAGES, message, stranger } from "./city.mjs";
import { figure } from "./measure.mjs";
import { check, phone, signIn } from "./phone.mjs";

const FIRST_VIEW_BYTES_MAX = 30 * 1024;

/** What a browser that has nothing yet must fetch to show that page. */
async function weigh(it, path) {
  it.bytes = 0;
  it.requests = 0;
  await it.page.goto(PAGES + path, { waitUntil: "networkidle" });
  const { bytes, requests } = it;
  await figure(`weight of ${path}`, { bytes, requests });
  assert.ok(requests > 0 && bytes > 500, `something was fetched: ${bytes} bytes`);
  assert.ok(bytes <= FIRST_VIEW_BYTES_MAX, `${path} has ${bytes} bytes of at most ${FIRST_VIEW_BYTES_MAX}`);
}

check("the first view is light and asks nobody else", async (t) => {
  const it = await phone(t);
  await weigh(it, "/");
  await it.look("front");
});

/** The error summary has the focus, the title says so, and the field says what is wrong with it. */
export async function refused({ page }, field) {
  await page.getByRole("alert").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "wrongs", "the summary has the focus");
  assert.match(await page.title(), /^错误 Error: /);
  assert.equal(await page.locator("#wrongs a").first().getAttribute("href"), `#${field}`);
  const said = (await page.locator(`#${field}`).getAttribute("aria-describedby")).split(" ");
  assert.ok(said.includes(`${field}-wrong`), `${said}`);
  assert.equal(await page.locator(`#${field}`).getAttribute("aria-invalid"), "true");
}

check("another code: a countdown, then a button, and the field for the first all the while", async (t) => {
  const person = stranger(4);
  const it = await phone(t);
  const { page } = it;
  await page.clock.install();
  await it.go("/in");
  await page.getByLabel("手机号码").fill(person.phone);
  await page.getByRole("button", { name: "获取验证码" }).click();
  const left = page.locator("[data-left]").first(), again = page.getByRole("button", { name: "重新发送验证码" });
  await left.waitFor();
  const before = Number(await left.innerText());
  assert.ok(before > 0 && before <= 60, `${before} s`);
  assert.equal(await again.count(), 0, "not before its time");
  await it.look("code-countdown");
  await page.clock.runFor(10_000);
  assert.ok(Number(await left.innerText()) <= before - 9, "it counts down");
  await page.clock.runFor(55_000);
  await again.waitFor();
  assert.ok(await page.getByLabel("验证码").isVisible());
  await page.getByLabel("验证码").fill(await message(person.phone));
  await page.getByRole("button", { name: "登录" }).click();
  await page.getByRole("link", { name: "退出" }).waitFor();
});

check("signing in, a wrong code first, and out again", async (t) => {
  const person = stranger(1);
  const it = await phone(t);
  const { page } = it;
  await it.go("/in");
  await it.look("sign-in");
  await page.getByLabel("手机号码").fill("1234");
  await page.getByRole("button", { name: "获取验证码" }).click();
  await refused(it, "phone");
  assert.equal(await page.getByLabel("手机号码").inputValue(), "1234", "what was typed stays");
  await it.look("sign-in-wrong-number");
  await page.getByRole("alert").getByRole("link").first().click();
  assert.equal(await page.evaluate(() => document.activeElement.id), "phone", "the summary leads to the field");
  await page.getByLabel("手机号码").fill(person.phone);
  await page.getByRole("alert").waitFor({ state: "detached" });
  assert.equal(await page.locator(".field-wrong").count(), 0, "mended, the error is gone");
  assert.ok(!/错误|Error/.test(await page.title()), await page.title());
  await page.getByRole("button", { name: "获取验证码" }).click();
  const code = await message(person.phone);
  await it.look("code");
  await page.getByLabel("验证码").fill(code === "000000" ? "000001" : "000000");
  await page.getByRole("button", { name: "登录" }).click();
  await refused(it, "code");
  await page.getByText("还可以再试 4 次").first().waitFor();
  await it.look("code-wrong");
  const spaced = `${code.slice(0, 3)} ${code.slice(3)}`;
  await page.getByLabel("验证码").fill(spaced);
  assert.equal(await page.getByLabel("验证码").inputValue(), spaced, "nothing of a pasted code is cut off");
  await page.getByRole("button", { name: "登录" }).click();
  const out = page.getByRole("link", { name: "退出" });
  await out.waitFor();
  const cookies = await it.context.cookies();
  assert.deepEqual(cookies.map((cookie) => cookie.name).sort(), ["__Host-known", "__Host-session"]);
  for (const cookie of cookies) {
    assert.ok(cookie.secure && cookie.httpOnly && cookie.sameSite === "Lax", JSON.stringify(cookie));
  }
  assert.ok(!page.url().includes(person.phone) && !(await page.title()).includes(person.phone.slice(-4)));
  await it.go("/out");
  await it.look("sign-out");
  await page.getByRole("button", { name: "退出 Sign out", exact: true }).click();
  await page.getByRole("link", { name: "出示我的码" }).waitFor();
});

check("without JavaScript, in large letters", async (t) => {
  const it = await phone(t, { script: false, elder: true });
  await it.look("front-elder");
  await it.go("/in");
  await it.look("sign-in-elder");
  await it.page.getByText("没有中国大陆手机号码？").click();
  await it.page.getByText("passport").first().waitFor();
  await it.look("sign-in-foreign-elder");
  await it.page.getByRole("button", { name: "标准版" }).click();
  await it.page.locator("html:not(.elder)").waitFor();
});

check("letters of twice the size fit on a small phone", async (t) => {
  const it = await phone(t, { font: 2 });
  await it.go("/");
  await it.look("front-font-200");
  const px = await it.page.evaluate(() => parseFloat(getComputedStyle(document.documentElement).fontSize));
  assert.ok(px >= 32, `the browser's own size counts: ${px} px`);
  await it.go("/in");
  await it.look("sign-in-font-200");
});

check("a page that does not exist says so kindly", async (t) => {
  const it = await phone(t);
  const answer = await it.go("/no/such/page");
  assert.equal(answer.status(), 404);
  await it.look("missing");
});

check("a way back leads nowhere else", async (t) => {
  const person = stranger(2);
  const it = await phone(t);
  await it.page.goto(`${PAGES}/in?next=${encodeURIComponent("//elsewhere.example/")}`);
  await signIn(it, person);
  assert.equal(new URL(it.page.url()).origin, PAGES);
});

check("every answer keeps other sites, frames and scripts out", async (t) => {
  const it = await phone(t);
  for (const path of ["/", "/in", "/s/style.css", "/no/such/page"]) {
    const answer = await it.context.request.get(PAGES + path);
    const headers = answer.headers();
    for (const said of ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]) {
      assert.ok(headers["content-security-policy"].includes(said), `${path}: ${said}`);
    }
    assert.ok(!/unsafe|\*/.test(headers["content-security-policy"]), path);
    assert.match(headers["strict-transport-security"], /max-age=\d{7,}/, path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    assert.equal(headers["referrer-policy"], "same-origin", path);
    assert.match(headers["cache-control"], path.startsWith("/s/") ? /public/ : /no-store/, path);
  }
});

check("a form that is another site's, another visitor's or nobody's is refused", async (t) => {
  const it = await phone(t);
  await it.go("/in");
  const token = await it.page.locator("input[name=token]").first().inputValue();
  const post = (headers, form) => it.context.request.post(`${PAGES}/in`, { headers, form, maxRedirects: 0 });
  const form = { token, phone: "12", next: "/" };
  assert.equal((await post({ origin: "https://elsewhere.example" }, form)).status(), 403);
  assert.equal((await post({ "sec-fetch-site": "cross-site" }, form)).status(), 403);
  assert.equal((await post({ origin: PAGES }, { ...form, token: "x" })).status(), 403);
  assert.equal((await post({ origin: PAGES }, { phone: "12" })).status(), 400);
  assert.equal((await post({ origin: PAGES }, form)).status(), 422, "and one of our own is read");
  const other = await phone(t);
  const stolen = await other.context.request.post(`${PAGES}/in`, { headers: { origin: PAGES }, form, maxRedirects: 0 });
  assert.equal(stolen.status(), 403, "a token is good in its own session only");
});
