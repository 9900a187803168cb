// The staff's scans: each is numbered, has a line of its own and is sent until it is answered, a few at once. The gateway judges and
// records; a scan that is sent again has the number it had, so that it is one punch. Who has no answer in time is checked by hand, and
// whose code the camera still sees is sent again until it is recorded or refused.
const BY_HAND_MS = 8000, GIVEN_UP_MS = 30000, TRY_MS = 4000, LAST_TRY_MS = 10000, PAUSE_MS = 400, PAUSE_MS_MAX = 2000;
const AT_ONCE = 4, WAITING_MAX = 32, LINES_MAX = 20, GLANCE_MS = 1600, TAB_MS = 100;
const id = name => document.getElementById(name);
const page = id("staff"), field = id("text"), token = page.dataset.token, list = document.querySelector("#scans ol");
const waiting = new Map();
let next = Number(page.dataset.next), run = Number(page.dataset.run), shown = 0, stopped = 0, passed = false, sound, lock, hide, camera, inView;

// Told apart with closed eyes: one high tone, two low buzzes, two middle tones.
const TONES = { pass: [[1046, 0, .12, "sine"]], stop: [[196, 0, .22, "square"], [165, .28, .3, "square"]],
  ask: [[523, 0, .12, "triangle"], [523, .18, .12, "triangle"]] };
const SHAKES = { pass: 60, stop: [220, 90, 220], ask: [80, 70, 80] };
function tell(kind) {
  if (navigator.vibrate) navigator.vibrate(SHAKES[kind]);
  if (!sound) return;
  for (const [hertz, from, length, type] of TONES[kind]) {
    const tone = sound.createOscillator(), volume = sound.createGain(), at = sound.currentTime + from;
    tone.type = type; tone.frequency.value = hertz;
    volume.gain.setValueAtTime(.25, at); volume.gain.exponentialRampToValueAtTime(.001, at + length);
    tone.connect(volume).connect(sound.destination); tone.start(at); tone.stop(at + length);
  }
}
// The first touch: browsers allow sounds, and the screen's staying on, from then on.
function wake() {
  sound = sound || new (window.AudioContext || window.webkitAudioContext)();
  if (sound.state === "suspended") sound.resume();
  stayOn();
}
async function stayOn() {
  if (!navigator.wakeLock || lock || document.hidden) return;
  try {
    lock = await navigator.wakeLock.request("screen");
    lock.addEventListener("release", () => { lock = undefined; setTimeout(stayOn, PAUSE_MS); });
  } catch { lock = undefined; }
}

const node = html => { const box = document.createElement("template"); box.innerHTML = html; return box.content.firstElementChild; };
const copy = name => id(name).content.firstElementChild.cloneNode(true);
const tag = (line, name) => line.append(copy(`tag-${name}`));

/** Puts a scan's line where its number belongs, in the place of the one it had. */
function put(scan, line) {
  line.dataset.n = scan.n;
  if (scan.line?.isConnected) scan.line.replaceWith(line); else list.prepend(line);
  scan.line = line;
  id("none").hidden = true;
  const done = [...list.children].filter(line => !waiting.has(Number(line.dataset.n)));
  done.slice(LINES_MAX).forEach(line => line.remove());
  id("pending").hidden = waiting.size === 0;
  id("pending").querySelector("b").textContent = waiting.size;
  page.classList.toggle("busy", waiting.size > 0);
}

/** A line of ours: the number, and what is to be said. */
function line(scan, what) {
  const made = node('<li><b class="no"></b></li>');
  made.querySelector("b").textContent = scan.n;
  made.append(what);
  return made;
}

/** Shows a sign, by the number of its scan: a pass does not cover one that came later, nor a stop that nobody has seen yet, which the
 * next person is scanned after. */
function show(scan, sign, kind) {
  if (kind === "pass" && (scan.n < shown || scan.n < stopped)) return;
  tell(kind);
  if (kind !== "pass") stopped = next;
  shown = Math.max(shown, scan.n);
  const here = id("verdict");
  here.className = `${sign.className} over`;
  passed = kind === "pass";
  for (const name of Object.keys(here.dataset)) delete here.dataset[name];
  Object.assign(here.dataset, sign.dataset, { n: scan.n, tookMs: Math.round(performance.now() - scan.at) });
  here.replaceChildren(...sign.childNodes);
  if (!here.querySelector(".no")) here.append(line(scan, "").firstElementChild);
  id("late").hidden = true;
  clearTimeout(hide);
  if (kind === "pass" && page.classList.contains("looking")) hide = setTimeout(() => here.classList.remove("over"), GLANCE_MS);
  // Beside the camera a phone's keyboard would come up by itself; what a scanner types finds the field all the same.
  if (!page.classList.contains("looking")) field.focus({ preventScroll: true });
}

/** A scan that has no answer, or will have none: in our own words. */
function say(scan, name) {
  const sign = copy(`said-${name}`), what = document.createElement("span");
  what.className = "what";
  what.append(...[...sign.querySelector(".why").childNodes].map(part => part.cloneNode(true)));
  put(scan, line(scan, what));
  scan.line.dataset.said = name;
  // Whoever is checked by hand already is told of in the line alone.
  if (!scan.late) show(scan, sign, "ask");
}

function byHand(scan) {
  if (!scan.busied) id("offline").hidden = false;
  say(scan, scan.busied ? "busy" : "by-hand");
  scan.late = true;
}

function end(scan, name) {
  waiting.delete(scan.n);
  clearTimeout(scan.timer);
  scan.lost = name !== "over";
  scan.after = performance.now() + PAUSE_MS_MAX;
  say(scan, name);
}

/** The camera sees the code of its last scan still: one that was given up is sent again, as the scan that it was. */
function still() {
  const scan = inView, now = performance.now();
  if (!scan?.lost || now < scan.after || waiting.size >= WAITING_MAX) return;
  Object.assign(scan, { at: now, after: 0, tries: 0, lost: false });
  waiting.set(scan.n, scan);
  put(scan, line(scan, copy("tag-waiting")));
  if (!scan.late) scan.timer = setTimeout(() => byHand(scan), BY_HAND_MS);
  pump();
}

/** The answer, once. */
function answered(scan, told) {
  if (!waiting.delete(scan.n)) return;
  clearTimeout(scan.timer);
  run = told.run;
  id("offline").hidden = true;
  const sign = node(told.sign);
  const what = () => { const words = sign.querySelector(".why").cloneNode(true); words.className = "what"; return words; };
  put(scan, told.row ? node(told.row) : line(scan, what()));
  scan.line.querySelector(".no").textContent = scan.n;
  scan.line.dataset.tookMs = Math.round(performance.now() - scan.at);
  scan.line.dataset.said = told.again ? "again" : "answered";
  if (told.again) tag(scan.line, "again");
  if (!scan.late) return show(scan, sign, told.sound);
  // By now the person has been checked by hand: it is told, and covers nobody else's sign.
  tag(scan.line, "late");
  tell(told.sound === "pass" ? "ask" : told.sound);
  id("late").querySelector("span").textContent = scan.line.innerText;
  id("late").hidden = false;
}

async function send(scan) {
  const ends = new AbortController(), sentTo = scan.sentTo, wait = scan.tries ? LAST_TRY_MS : TRY_MS;
  const timer = setTimeout(() => ends.abort(), wait);
  let busied = false;
  scan.busy = true; scan.tries += 1; scan.sentTo = scan.sentTo ?? run;
  try {
    const answer = await fetch("/staff/scan", { method: "POST", signal: ends.signal, headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, page: Number(page.dataset.page), n: scan.n, sent_to: sentTo, follows: scan.follows,
        ago_ms: Math.round(performance.now() - scan.at), text: scan.text, nothing: scan.nothing }) });
    if (answer.status === 403) return end(scan, "over");
    if ((answer.headers.get("Content-Type") ?? "").startsWith("application/json")) {
      const told = await answer.json();
      // Nothing was recorded anywhere: it is sent again, to whichever process is there then.
      if (told.resend) { busied = true; scan.sentTo = undefined; id("offline").hidden = true; } else answered(scan, told);
    }
  } catch { // No network, or no answer in time: it is sent again.
  } finally {
    clearTimeout(timer);
    scan.busy = false; scan.busied = busied;
    if (waiting.has(scan.n)) again(scan); else pump();
  }
}

function again(scan) {
  const age = performance.now() - scan.at;
  if (age > GIVEN_UP_MS) { end(scan, scan.busied ? "busy" : "gone"); return pump(); }
  const pause = Math.min(PAUSE_MS * 2 ** (scan.tries - 1), PAUSE_MS_MAX);
  scan.after = performance.now() + pause;
  setTimeout(pump, pause);
}

/** Sends what waits, the earliest first. */
function pump() {
  let busy = [...waiting.values()].filter(scan => scan.busy).length;
  for (const scan of waiting.values()) {
    if (busy >= AT_ONCE) return;
    if (scan.busy || scan.after > performance.now()) continue;
    busy += 1;
    send(scan);
  }
}

/** Takes a scan: what was read or typed as it is, without a change, or that nothing was shown. */
function take(what) {
  const scan = { n: next++, at: performance.now(), after: 0, tries: 0, ...what };
  const is_full = waiting.size >= WAITING_MAX;
  if (!is_full) waiting.set(scan.n, scan);
  put(scan, line(scan, copy("tag-waiting")));
  if (is_full) { end(scan, "full"); return scan; }
  scan.timer = setTimeout(() => byHand(scan), BY_HAND_MS);
  // Whoever passed is not the one who stands there now.
  if (passed) id("verdict").classList.remove("over"), id("verdict").classList.add("old");
  pump();
  return scan;
}

for (const form of document.querySelectorAll("form.scan")) form.addEventListener("submit", event => {
  event.preventDefault();
  wake();
  if (!form.elements.text) {
    form.parentElement.open = false;
    take({ nothing: true });
    return;
  }
  // Emptied at once: the next scan may begin before this one is answered.
  const text = field.value;
  field.value = "";
  if (text.trim()) take({ text });
});

// What a scanner types goes into the field, wherever a finger was last; some end a code with a tab.
let typed = 0, tabbed = false;
document.addEventListener("pointerdown", () => { tabbed = false; });
field.addEventListener("input", event => { typed = event.timeStamp; });
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Tab") tabbed = true;
  if (document.activeElement === field) {
    if (event.key !== "Tab" || event.shiftKey || !field.value.trim() || event.timeStamp - typed > TAB_MS) return;
    event.preventDefault();
    field.form.requestSubmit();
  } else if (event.key.length === 1 && !(event.key === " " && tabbed)) {
    // A button that a finger has touched would swallow a space, which a code may begin with; one that was reached by keys is pressed.
    event.preventDefault();
    field.focus({ preventScroll: true });
    field.setRangeText(event.key, field.selectionStart, field.selectionEnd, "end");
    typed = event.timeStamp;
  }
});

// A touch takes the sign away before the next person comes.
id("verdict").addEventListener("click", () => id("verdict").classList.remove("over"));
// The sign ends where the field begins.
const hands = document.querySelector(".hands");
new ResizeObserver(() => page.style.setProperty("--hands", `${hands.offsetHeight}px`)).observe(hands);
addEventListener("online", pump);
document.addEventListener("visibilitychange", () => { if (!document.hidden) { if (sound) stayOn(); pump(); } });

id("start-area").hidden = false;
id("start").addEventListener("click", async () => {
  const button = id("start"), notes = [id("no-camera"), id("camera-ended")];
  wake();
  button.disabled = true;
  notes.forEach(note => { note.hidden = true; });
  const over = note => {
    page.classList.remove("looking");
    button.disabled = false;
    id("two").hidden = true;
    id(note).hidden = false;
    tell("ask");
  };
  try {
    camera = camera ?? await import("/s/camera.js");
    await camera.look(id("camera"), { seen: (text, follows) => { inView = take({ text, follows }); }, still, ended: () => over("camera-ended"),
      two: is => { if (is && id("two").hidden) tell("ask"); id("two").hidden = !is; } });
    page.classList.add("looking");
  } catch { over("no-camera"); }
});
