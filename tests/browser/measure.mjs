// What every page is measured by, whoever looks at it: targets, letters, names, contrast, width. Each look leaves a screenshot and
// a line of figures.

import assert from "node:assert/strict";
import { appendFile, mkdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { RESULTS } from "./city.mjs";

const SCREENSHOTS = join(RESULTS, "screenshots");
const FIGURES = join(RESULTS, "browser.jsonl");
const TARGET_PX = 44;
const ELDER_TARGET_PX = 60;
const ELDER_LETTERS_PX = 18;

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Throws away what earlier runs left. */
export async function clear() {
  await rm(SCREENSHOTS, { recursive: true, force: true });
  await rm(FIGURES, { force: true });
  await mkdir(SCREENSHOTS, { recursive: true });
}

/** Keeps a figure for the report. */
export async function figure(name, values) {
  await appendFile(FIGURES, `${JSON.stringify({ name, ...values })}\n`);
}

/** Takes a screenshot and measures what is on the page; fails with every finding at once. */
export async function look(it, name) {
  const { page, elder, font } = it;
  await page.waitForLoadState();
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
  const seen = await page.evaluate(inPage);
  const violations = await findings(it);
  const wrong = [];
  for (const { id, impact, nodes } of violations) {
    // Without scripts a page that waits can only go on by asking again.
    if (id === "meta-refresh" && !it.script) continue;
    const where = nodes.map((node) => `${node.target}: ${node.failureSummary}`).join("; ");
    if (["serious", "critical"].includes(impact)) wrong.push(`axe ${id} (${impact}): ${where}`);
  }
  const least = elder ? ELDER_TARGET_PX : TARGET_PX;
  for (const { what, width, height } of seen.targets) {
    if (Math.min(width, height) < least - 0.5) wrong.push(`target ${what}: ${width.toFixed(0)} × ${height.toFixed(0)} px of at least ${least}`);
  }
  for (const what of seen.unnamed) wrong.push(`no label: ${what}`);
  for (const what of seen.bare) wrong.push(`a colour without shape or word: ${what}`);
  for (const text of [page.url(), await page.title()]) {
    if (/(?<![\da-f])1[3-9]\d{9}(?![\da-f])|\d{17}[\dX]/.test(text)) wrong.push(`a number in ${text}`);
  }
  if (seen.wide > 0) wrong.push(`${seen.wide} px wider than the screen: ${seen.widest}`);
  if (elder) for (const { what, px } of seen.letters.filter(({ px }) => px < ELDER_LETTERS_PX)) wrong.push(`letters of ${px} px: ${what}`);
  const smallest = (list, of) => list.reduce((least, one) => Math.min(least, of(one)), Infinity);
  await figure(name, {
    axe: violations.map(({ id, impact }) => `${id}:${impact}`),
    targets: seen.targets.length,
    target_px_min: Math.round(smallest(seen.targets, ({ width, height }) => Math.min(width, height))),
    letters_px_min: smallest(seen.letters, ({ px }) => px),
    font,
  });
  assert.deepEqual(wrong, [], `${name} at ${page.url().replace(/^https?:\/\/[^/]+/, "")}`);
}

/** What axe finds. It is a script with timers: a page without scripts is measured as a copy that may run some, without its own. */
async function findings(it) {
  const run = async (page) => {
    await page.evaluate(axe);
    return (await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }))).violations;
  };
  if (it.script) return run(it.page);
  const text = (await it.page.content()).replaceAll(/<script.*?<\/script>/gs, "").replaceAll(/(<\/?)noscript/g, "$1div");
  const context = await it.browser.newContext({ viewport: it.page.viewportSize() });
  const copy = await context.newPage();
  await copy.route(it.page.url(), (route) => route.fulfill({ body: text, contentType: "text/html; charset=utf-8" }));
  await copy.goto(it.page.url());
  const found = await run(copy);
  await context.close();
  return found;
}

/** Runs inside the page. */
function inPage() {
  const name = (element) => `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""} "${(element.innerText ?? "").trim().slice(0, 20)}"`;
  const boxOf = (element) => element.getBoundingClientRect();
  const visible = (element) => {
    const { width, height } = boxOf(element);
    const style = getComputedStyle(element);
    return width > 1 && height > 1 && style.visibility !== "hidden" && style.opacity !== "0";
  };
  const targets = [];
  for (const element of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button]")) {
    if (!visible(element) && element.tagName !== "INPUT") continue;
    const isChoice = ["radio", "checkbox"].includes(element.type);
    const hit = isChoice ? (element.closest("label") ?? element.labels?.[0] ?? element) : element;
    if (!visible(hit)) continue;
    const { width, height } = boxOf(hit);
    targets.push({ what: name(hit), width, height });
  }
  const unnamed = [];
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    const label = [...(field.labels ?? [])].map((label) => label.innerText).join("") || field.getAttribute("aria-label");
    if (!label?.trim()) unnamed.push(`${field.tagName} ${field.name}`);
  }
  const bare = [];
  for (const sign of document.querySelectorAll("[data-colour]")) {
    if (!sign.querySelector("svg") || !sign.innerText.trim()) bare.push(name(sign));
  }
  const letters = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || ["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(element.tagName) || !visible(element)) continue;
    if (element.closest("svg")) continue;
    letters.push({ what: name(element), px: Math.round(parseFloat(getComputedStyle(element).fontSize) * 10) / 10 });
  }
  const wide = document.documentElement.scrollWidth - innerWidth;
  const widest = [...document.body.querySelectorAll("*")].find((element) => boxOf(element).right > innerWidth + 1 && !element.closest(".swipe"));
  return { targets, unnamed, bare, letters, wide, widest: widest ? name(widest) : "" };
}
