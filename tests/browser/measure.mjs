// What every page is measured by, whoever looks at it: targets, letters, names, contrast, width, both languages; also on a narrower
// screen, in letters of twice the size, and in the dark. Each look leaves screenshots and a line of figures.

import assert from "node:assert/strict";
import { appendFile, mkdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { RESULTS } from "./city.mjs";

const SCREENSHOTS = join(RESULTS, "screenshots");
// Of each file of tests: they may run at once.
const FIGURES = join(RESULTS, `${basename(process.argv[1], ".mjs")}.jsonl`);
const TARGET_PX = 44;
const ELDER_TARGET_PX = 60;
const ELDER_LETTERS_PX = 18;
const NARROW_PX = 320;
/** What each page is looked at in besides: width, size of letters, colours. */
const VIEWS = [
  { as: "320px", width: NARROW_PX },
  { as: "200", letters: 2 },
  { as: "320px-200", width: NARROW_PX, letters: 2 },
  { as: "dark", colours: "dark" },
];

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Throws away the figures of earlier runs. Screenshots are replaced one by one: those of other files' tests stay. */
export async function clear() {
  await clearFigures();
  await mkdir(SCREENSHOTS, { recursive: true });
}

/** The same for figures alone. */
export const clearFigures = () => rm(FIGURES, { force: true });

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
    if (/(?<![\da-f])(1[3-9]\d{9}|\d{17}[\dX])(?![\da-f])/.test(text)) wrong.push(`a number in ${text}`);
  }
  for (const what of await page.evaluate(inTheWay)) wrong.push(what);
  for (const what of seen.oneTongue) wrong.push(`in one language only: ${what}`);
  wrong.push(...(await inOtherViews(it, name)));
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

/** What is wrong with the page on a narrow screen, in large letters, in the dark; the page is as before when it comes back. */
async function inOtherViews({ page, font, elder, script }, name) {
  const wrong = [], usual = page.viewportSize();
  for (const { as, width, letters = 1, colours = null } of VIEWS) {
    if (letters !== 1 && (font !== 1 || elder)) continue;
    await page.setViewportSize({ ...usual, width: width ?? usual.width });
    await page.emulateMedia({ colorScheme: colours });
    await page.evaluate(enlarge, letters);
    const before = wrong.length;
    for (const what of await page.evaluate(inTheWay)) wrong.push(`${as}: ${what}`);
    if (colours && script) {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ["color-contrast"] }));
      for (const { id, nodes } of violations) wrong.push(`${as}: axe ${id}: ${nodes.map((node) => `${node.target}: ${node.failureSummary}`).join("; ")}`);
    }
    // A picture of each view of each page would take longer than all else.
    if (wrong.length > before) await page.screenshot({ path: join(SCREENSHOTS, `${name}.${as}.png`), fullPage: true });
  }
  await page.evaluate(enlarge, 1);
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(usual);
  return wrong;
}

/** Runs inside the page: letters as if their owner had set that size. */
function enlarge(letters) {
  const { style } = document.documentElement;
  style.removeProperty("--text");
  const usual = getComputedStyle(document.documentElement).getPropertyValue("--text");
  if (letters !== 1) style.setProperty("--text", `${parseFloat(usual) * letters}%`);
}

/** Runs inside the page: what sticks out, touches its neighbour, or is squeezed to a column of single letters. */
function inTheWay() {
  const GAP_PX = 4, LETTERS_A_LINE = 2.5;
  const name = (element) => `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""} "${(element.innerText ?? "").trim().slice(0, 20)}"`;
  const found = [], all = [...document.body.querySelectorAll("*")];
  const box = (element) => element.getBoundingClientRect();
  const shown = (element) => box(element).width > 1 && box(element).height > 1 && !element.closest(".away, [hidden]");
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) {
    const widest = all.find((element) => box(element).right > innerWidth + 1 && !element.closest(".swipe"));
    found.push(`${wide} px wider than the screen: ${widest ? name(widest) : ""}`);
  }
  const fields = all.filter((element) => element.matches("input:not([type=hidden]):not([type=radio]):not([type=checkbox]), select, textarea, label.choice, button, a.button") && shown(element));
  fields.forEach((field, at) => {
    const next = fields[at + 1];
    if (!next || field.closest("header") || next.closest("footer, .hands")) return;
    const [above, below] = [box(field), box(next)];
    const apart = Math.max(below.top - above.bottom, below.left - above.right);
    if (apart < GAP_PX && !field.contains(next)) found.push(`${name(field)} and ${name(next)} are ${apart.toFixed(0)} px apart`);
  });
  for (const element of all) {
    if (element.closest("svg, option, select, script, style, noscript, template") || !shown(element)) continue;
    for (const node of element.childNodes) {
      const text = node.nodeType === Node.TEXT_NODE ? node.data.trim() : "";
      if (text.length < 4 || element.closest(".scans, .en")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const lines = new Set([...range.getClientRects()].map((rect) => Math.round(rect.top))).size;
      if (lines > 2 && text.length / lines < LETTERS_A_LINE) found.push(`${lines} lines of ${text.length} letters: ${name(element)}`);
    }
  }
  return found;
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
  return { targets, unnamed, bare, letters, oneTongue: oneTongue(name) };

  /** Every text of ours has Chinese and English; names, and what people wrote, are marked as nobody's to translate. */
  function oneTongue(name) {
    // Operators' pages are in English.
    if (document.documentElement.lang === "en") return [];
    const han = /\p{Script=Han}/u, latin = /[A-Za-z]{2,}/;
    const theirs = (element) => element.closest("[translate=no], [aria-hidden=true], svg, script, style, template") || element.tagName === "NOSCRIPT";
    const english = (element) => [...element.children].some((child) => child.lang === "en" && latin.test(child.textContent));
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement, text = node.data;
      if (theirs(element) || !(han.test(text) || latin.test(text))) continue;
      const second = element.closest("[lang=en]");
      const both = second
        ? [second.parentElement, second.parentElement.parentElement].some((around) => han.test(around.textContent))
        : han.test(text) && (latin.test(text) || english(element) || english(element.parentElement));
      if (!both) found.push(`${name(element)}: ${text.trim().slice(0, 40)}`);
    }
    const attributes = ["aria-label", "title", "alt", "placeholder"];
    for (const element of document.querySelectorAll(attributes.map((attribute) => `[${attribute}]`).join())) {
      for (const attribute of attributes) {
        const text = element.getAttribute(attribute) ?? "";
        const both = han.test(text) && latin.test(text);
        if ((han.test(text) || latin.test(text)) && !both && !element.closest("[translate=no]")) found.push(`${attribute} of ${name(element)}: ${text}`);
      }
    }
    if (!han.test(document.title) || !latin.test(document.title)) found.push(`title: ${document.title}`);
    return found;
  }
}
