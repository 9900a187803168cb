// A citizen's phone: a browser of its own, small, with everything watched that a page may not do. One Chromium runs for all tests;
// each phone is a context that shares nothing with another.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { PAGES, message } from "./city.mjs";
import { look } from "./measure.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const SMALL = { width: 360, height: 640 };
/** What has not come by then will not come. On a machine that builds meanwhile, a page may take ten seconds. */
const PATIENCE_MS = 60_000;

/** A test that has not ended by then never will. */
const TEST_MS_MAX = 300_000;

let shared;
const sessions = new Map();

/** A test with an end. */
export const check = (name, work) => test(name, { timeout: TEST_MS_MAX }, work);

const started = (extra) => ({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...FLAGS, ...extra], headless: true });

/** Starts Chromium with an empty profile of its own. */
export const launch = (extra = []) => chromium.launch(started(extra));

/** A Chromium whose owner has set letters of another size: that is one of the profile's preferences, and cannot be changed later. */
async function withLetters(font, options) {
  const profile = await mkdtemp(join(tmpdir(), "changtong-browser-"));
  await mkdir(join(profile, "Default"));
  const webprefs = { default_font_size: 16 * font, default_fixed_font_size: 13 * font };
  await writeFile(join(profile, "Default", "Preferences"), JSON.stringify({ webkit: { webprefs } }));
  const context = await chromium.launchPersistentContext(profile, { ...started([]), ...options });
  context.on("close", () => rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  return context;
}

export async function begin() {
  shared = await launch();
}

export async function end() {
  await shared?.close();
}

/**
 * Opens a phone, signed in as `person` if there is one. `script: false` has no JavaScript, `font: 2` is somebody who reads letters
 * of twice the size, `elder` has switched to large text, `pages` is where it finds them, if a link lies between.
 */
export async function phone(t, options = {}) {
  const { person, elder = false, script = true, font = 1, browser = shared, pages = PAGES, ...rest } = options;
  const settings = { viewport: SMALL, locale: "zh-CN", javaScriptEnabled: script, ...rest };
  const context = await (font === 1 ? browser.newContext(settings) : withLetters(font, settings));
  context.setDefaultTimeout(PATIENCE_MS);
  const known = person && sessions.get(person.phone);
  if (known) await context.addCookies(known);
  const page = await context.newPage();
  const it = { browser, context, page, pages, elder, font, script, wrong: [], bytes: 0, requests: 0 };
  await watch(it);
  it.go = (path) => page.goto(pages + path);
  it.look = (name) => look(it, name);
  it.says = (text) => page.getByText(text).first().waitFor();
  t.after(() => close(it));
  if (person && !known) {
    await it.go("/in");
    await signIn(it, person);
    sessions.set(person.phone, await context.cookies());
  }
  if (elder) {
    await it.go("/");
    await page.getByRole("button", { name: "大字版" }).click();
    await page.locator("html.elder").waitFor();
  }
  return it;
}

/** From the form for the phone's number to wherever the visitor wanted to go. */
export async function signIn({ page }, person) {
  await page.getByLabel("手机号码").fill(person.phone);
  await page.getByRole("button", { name: "获取验证码" }).click();
  await page.getByLabel("验证码").fill(await message(person.phone));
  await Promise.all([page.waitForURL((url) => !url.pathname.startsWith("/in")), page.getByRole("button", { name: "登录" }).click()]);
}

async function watch(it) {
  const { context, page, wrong } = it;
  // An answer that is a refusal is looked at by the test that provoked it, and so is what a bad link does.
  const refused = it.pages === PAGES ? /^Failed to load resource: the server responded with a status of 4/ : /^Failed to load resource: /;
  page.on("console", (said) => {
    if (["error", "warning"].includes(said.type()) && !refused.test(said.text())) wrong.push(`console: ${said.text()}`);
  });
  page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== it.pages && !["data:", "blob:"].includes(url.protocol)) wrong.push(`asked ${url.origin}`);
  });
  it.devtools = await context.newCDPSession(page);
  await it.devtools.send("Network.enable");
  it.devtools.on("Network.loadingFinished", ({ encodedDataLength }) => {
    it.bytes += encodedDataLength;
    it.requests += 1;
  });
}

async function close(it) {
  const cookies = (await it.context.cookies()).map((cookie) => cookie.name);
  const stored = it.page.isClosed() ? 0 : await it.page.evaluate(() => localStorage.length + sessionStorage.length).catch(() => 0);
  await it.context.close();
  assert.deepEqual(it.wrong, [], "a page did what it may not");
  const known = ["__Host-session", "__Host-known"];
  const others = cookies.filter((name) => !known.includes(name));
  assert.deepEqual(others, [], "no cookie but the session and that the phone was proven");
  assert.equal(stored, 0, "nothing is stored in the browser");
}
