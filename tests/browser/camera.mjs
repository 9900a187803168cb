// The staff's camera: it reads what a citizen's phone shows, one person after the other, a code that is renewed in the hand, and two at
// once, which it does not choose between; when it ends it says so.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demo } from "./city.mjs";
import { recorded } from "./codes.mjs";
import { figure } from "./measure.mjs";
import { check, launch, phone } from "./phone.mjs";
import { place } from "./place.mjs";
import { begin } from "./staff.mjs";

const FRAME = { width: 640, height: 480, per_s: 20 };
/** The camera's page reads a square in the middle. */
const CODE_PX = 300;
const BESIDE_PX = 220;
/** How long each person holds up a code, and how long nobody does. */
const HELD_FRAMES = 30;
const EMPTY_FRAMES = 14;

/** The picture of a citizen's code: another one each time, as the clock goes on. */
async function code({ page, go }, before) {
  for (;;) {
    await go("/code");
    const svg = await page.locator(".qr svg").first().evaluate((svg) => {
      const copy = svg.cloneNode(true);
      copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
      copy.setAttribute("width", "300");
      copy.setAttribute("height", "300");
      return new XMLSerializer().serializeToString(copy);
    });
    if (svg !== before) return svg;
  }
}

/** What a camera sees when these codes are held up beside one another: the brightness of a frame. */
async function held({ page }, svgs) {
  const side = svgs.length > 1 ? BESIDE_PX : CODE_PX;
  const luma = await page.evaluate(async ({ svgs, side, width, height }) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    for (const [at, svg] of svgs.entries()) {
      const image = new Image();
      image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
      await image.decode();
      const left = (width - side * svgs.length) / 2 + side * at;
      pen.drawImage(image, left, (height - side) / 2, side, side);
    }
    const { data } = pen.getImageData(0, 0, width, height);
    return Array.from({ length: width * height }, (_, at) => data[at * 4]);
  }, { svgs, side, width: FRAME.width, height: FRAME.height });
  return Uint8Array.from(luma);
}

/** A film that is played again and again: pictures, and nobody for `undefined`; a white corner says that something is held up. */
function film(pictures) {
  const { width, height, per_s } = FRAME;
  const chroma = Buffer.alloc((width * height) / 2, 128);
  const frame = (luma, corner) => {
    const bright = Buffer.from(luma.map((value) => 16 + (value * 219) / 255));
    for (let y = 0; y < 32; y += 1) bright.fill(corner ? 235 : 16, y * width, y * width + 32);
    return Buffer.concat([Buffer.from("FRAME\n"), bright, chroma]);
  };
  const nobody = new Uint8Array(width * height).fill(96);
  const parts = [Buffer.from(`YUV4MPEG2 W${width} H${height} F${per_s}:1 Ip A1:1 C420jpeg\n`)];
  for (const luma of pictures) {
    const one = frame(luma ?? nobody, luma !== undefined);
    for (let n = 0; n < (luma ? HELD_FRAMES : EMPTY_FRAMES); n += 1) parts.push(one);
  }
  return Buffer.concat(parts);
}

/** A phone at work whose camera sees that film; it looks. */
async function looking(t, pictures, prepare = () => {}) {
  const folder = await mkdtemp(join(tmpdir(), "changtong-film-"));
  const file = join(folder, "film.y4m");
  await writeFile(file, film(pictures));
  const browser = await launch(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${file}`]);
  const it = await phone(t, { browser, permissions: ["camera"] });
  t.after(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });
  await prepare(it);
  const { path } = await begin(it);
  await it.look("staff");
  await it.page.getByRole("button", { name: "打开摄像头扫码" }).click();
  await it.page.locator("#staff.looking").waitFor();
  return { ...it, path };
}

/** Runs inside the page: when the frame with somebody's code was there, and when the sign was. */
function watch() {
  const video = document.getElementById("camera");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  window.seen = [];
  let was = false;
  const frame = () => {
    pen.drawImage(video, 8, 8, 8, 8, 0, 0, 1, 1);
    const is = pen.getImageData(0, 0, 1, 1).data[0] > 128;
    if (is && !was) window.seen.push({ at: performance.now() });
    was = is;
    video.requestVideoFrameCallback(frame);
  };
  video.requestVideoFrameCallback(frame);
  new MutationObserver(() => {
    const sign = document.getElementById("verdict");
    const last = window.seen.at(-1);
    if (sign?.dataset.colour && last && !last.ms) {
      last.ms = Math.round(performance.now() - last.at);
      last.colour = sign.dataset.colour;
    }
  }).observe(document.getElementById("staff"), { childList: true, subtree: true });
}

check("the camera reads the next person's code", async (t) => {
  const [first, second] = [await phone(t, { person: await demo("two days in Hong Kong") }), await phone(t, { person: await demo("in Wuhan to this day") })];
  const it = await looking(t, [undefined, await held(first, [await code(first)]), undefined, await held(second, [await code(second)])]);
  await it.page.evaluate(watch);
  await it.page.locator("#verdict[data-colour=red]").waitFor();
  await it.look("staff-red");
  await it.page.locator("#verdict[data-colour=green]").waitFor();
  await it.look("staff-green");
  await it.page.waitForFunction(() => window.seen.filter((one) => one.ms).length >= 5);
  const seen = await it.page.evaluate(() => window.seen.filter((one) => one.ms));
  const sorted = seen.map((one) => one.ms).sort((a, b) => a - b);
  await figure("frame to sign", { ms: sorted, median_ms: sorted[Math.floor(sorted.length / 2)] });
  assert.deepEqual([...new Set(seen.map((one) => one.colour))].sort(), ["green", "red"]);
  const again = await phone(t);
  await again.go(it.path);
  await again.page.getByRole("button", { name: "开始值班" }).click();
  await again.page.getByText("此邀请已使用或已失效").waitFor();
  await again.look("staff-join-gone");
});

check("a code that is renewed while it is held up is the same person's, recorded once", async (t) => {
  const { number } = await place();
  const citizen = await phone(t, { person: await demo("two days in Hong Kong") });
  const first = await code(citizen);
  const pictures = [await held(citizen, [first]), await held(citizen, [await code(citizen, first)])];
  const before = (await recorded(number)).length;
  const it = await looking(t, pictures);
  await it.page.locator("#scans [data-said=again]").nth(1).waitFor();
  assert.equal((await recorded(number)).length, before + 1);
});

check("two codes in view are not chosen between: staff are told, and the one that stays is scanned", async (t) => {
  const { number } = await place();
  const [first, second] = [await phone(t, { person: await demo("two days in Hong Kong") }), await phone(t, { person: await demo("in Wuhan to this day") })];
  const codes = [await code(first), await code(second)];
  const before = (await recorded(number)).length;
  const both = await held(first, codes);
  const it = await looking(t, [both, both, both, both, await held(second, [codes[1]]), undefined]);
  await it.page.locator("#two").waitFor();
  await it.look("staff-two-codes");
  await it.page.locator("#verdict[data-colour=red]").waitFor();
  assert.equal(await it.page.locator("#verdict[data-colour=green]").count(), 0);
  const [row, ...more] = (await recorded(number)).slice(before);
  assert.deepEqual([row.colour, more.length], ["red", 0]);
});

/** A browser's own detector that sees these texts, from the page's first frame on. */
const sees = (texts) => ({ page }) => page.addInitScript((texts) => {
  window.found = texts;
  window.BarcodeDetector = class {
    static getSupportedFormats = async () => ["qr_code"];
    detect = async () => window.found.map((rawValue) => ({ rawValue }));
  };
}, texts);

check("a browser's own detector that finds two codes has none of them scanned", async (t) => {
  const it = await looking(t, [undefined], sees(["A", "B"]));
  await it.page.locator("#two").waitFor();
  assert.equal(await it.page.locator("#scans li").count(), 0);
  await it.page.evaluate(() => { window.found = ["B"]; });
  await it.page.locator("#verdict[data-advice=not-a-pass-code]").waitFor();
  assert.equal(await it.page.locator("#two").isVisible(), false);
  assert.equal(await it.page.locator("#scans li").count(), 1);
});

check("a code that was not recorded is sent again under its number while it is held up, in no hurry, until it is", async (t) => {
  const { number } = await place();
  const before = (await recorded(number)).length;
  const sent = [];
  const it = await looking(t, [undefined], async (it) => {
    await sees(["HELD UP"])(it);
    await it.page.route("**/staff/scan", async (route) => {
      sent.push({ at: Date.now(), ...route.request().postDataJSON() });
      if (sent.length > 3) return route.continue();
      const run = Number(await it.page.locator("#staff").getAttribute("data-run"));
      const sign = "<section id=verdict class=check data-kind=trouble><p class=why>busy</p></section>";
      await route.fulfill({ status: 503, json: { run, sound: "ask", sign, row: null, again: false, resend: true } });
    });
  });
  await it.page.locator("#verdict[data-advice=not-a-pass-code]").waitFor();
  // What this test answers itself.
  assert.equal(it.wrong.splice(0).filter((line) => !line.includes("status of 503")).length, 0);
  assert.deepEqual(sent.map(({ n, text }) => [n, text]), Array(4).fill([1, "HELD UP"]));
  assert.equal(new Set(sent.map(({ page }) => page)).size, 1);
  const pauses = sent.slice(1).map(({ at }, n) => at - sent[n].at);
  assert.ok(pauses.every((pause) => pause >= 350), `${pauses} ms`);
  assert.equal(await it.page.locator("#scans li").count(), 1);
  assert.equal((await recorded(number)).length, before + 1);
});

check("a code that came when too many waited is sent once there is room, without leaving the view", async (t) => {
  const { number } = await place();
  const before = (await recorded(number)).length;
  let open;
  const opened = new Promise((done) => { open = done; });
  const it = await looking(t, [undefined], async (it) => {
    await sees([])(it);
    await it.page.route("**/staff/scan", async (route) => {
      await opened;
      await route.continue().catch(() => {});
    });
  });
  for (let n = 1; n <= 32; n += 1) {
    await it.page.locator("#text").fill(`TYPED ${n}`);
    await it.page.keyboard.press("Enter");
  }
  await it.page.evaluate(() => { window.found = ["HELD UP"]; });
  await it.page.locator("#scans [data-n='33'][data-said=full]").waitFor();
  open();
  await it.page.locator("#scans [data-n='33'][data-said=answered]").waitFor();
  assert.equal((await recorded(number)).length, before + 33);
});

check("the screen is kept on again after it was let go, and a camera that ends says so and starts again", async (t) => {
  const it = await looking(t, [undefined], ({ page }) => page.addInitScript(() => {
    window.locks = [];
    const request = async () => {
      const lock = new EventTarget();
      window.locks.push(lock);
      return lock;
    };
    Object.defineProperty(navigator, "wakeLock", { value: { request } });
  }));
  const kept = (count) => it.page.waitForFunction((count) => window.locks.length === count, count);
  await kept(1);
  await it.page.evaluate(() => window.locks[0].dispatchEvent(new Event("release")));
  await kept(2);
  await it.page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    window.locks[1].dispatchEvent(new Event("release"));
    Object.defineProperty(document, "hidden", { value: false });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await kept(3);
  for (const end of [(track) => track.stop(), (track) => track.dispatchEvent(new Event("ended"))]) {
    await it.page.evaluate(`(${end})(document.getElementById("camera").srcObject.getVideoTracks()[0])`);
    await it.page.locator("#camera-ended").waitFor();
    await it.look("staff-camera-ended");
    await it.page.getByRole("button", { name: "打开摄像头扫码" }).click();
    await it.page.locator("#staff.looking").waitFor();
    assert.equal(await it.page.locator("#camera-ended").isVisible(), false);
  }
});
