// The staff's scanner: frames of the camera are read here, about eight a second, and what a code says goes to the gateway, which
// judges and records it. The next person may come at once; the same code still held up is not sent again.
const AGAIN_MS = 3000, EVERY_MS = 120, SIDE = 480, GLANCE_MS = 1600;
const page = document.getElementById("staff"), video = document.getElementById("camera");
const token = page.dataset.token;
let sound, busy = false, held = { text: null, at: 0 }, hide;

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

async function send(scan, began) {
  busy = true;
  page.classList.add("busy");
  try {
    const answer = await fetch("/staff/scan", { method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, ...scan }) });
    if (answer.status === 403) { location.assign("/staff"); return; }
    if (answer.status === 409) return;
    const told = await answer.json();
    document.getElementById("verdict").outerHTML = told.sign;
    if (told.scans) document.getElementById("scans").outerHTML = told.scans;
    const sign = document.getElementById("verdict");
    sign.classList.add("over");
    sign.dataset.tookMs = Math.round(performance.now() - began);
    tell(told.sound);
    clearTimeout(hide);
    if (told.sound === "pass") hide = setTimeout(() => sign.classList.remove("over"), GLANCE_MS);
  } catch { // No network: the code held up is sent again with the next frame.
    held = { text: null, at: 0 };
    document.getElementById("offline").hidden = false;
    return;
  } finally { busy = false; page.classList.remove("busy"); }
  document.getElementById("offline").hidden = true;
}

function hit(text, began) {
  const now = performance.now(), same = text === held.text && now - held.at < AGAIN_MS;
  if (same) { held.at = now; return; }
  if (busy) return;
  held = { text, at: now };
  send({ text }, began);
}

async function reader() {
  if ("BarcodeDetector" in window && (await BarcodeDetector.getSupportedFormats()).includes("qr_code")) {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    return async canvas => (await detector.detect(canvas))[0]?.rawValue;
  }
  const { decodeQR } = await import("/s/qr.js");
  return async (canvas, pen) => {
    try { return decodeQR(pen.getImageData(0, 0, canvas.width, canvas.height)); } catch { return undefined; }
  };
}

async function look() {
  const read = await reader(), canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = canvas.height = SIDE;
  const frame = async () => {
    const began = performance.now(), side = Math.min(video.videoWidth, video.videoHeight);
    if (side && !document.hidden) {
      pen.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, SIDE, SIDE);
      const text = await read(canvas, pen);
      if (text) hit(text, began);
    }
    setTimeout(frame, Math.max(10, EVERY_MS - (performance.now() - began)));
  };
  frame();
}

async function start() {
  const button = document.getElementById("start");
  button.disabled = true;
  sound = sound || new (window.AudioContext || window.webkitAudioContext)();
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ audio: false,
      video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } } });
    await video.play();
    document.getElementById("no-camera").hidden = true;
    page.classList.add("looking");
    look();
    if (navigator.wakeLock) navigator.wakeLock.request("screen").catch(() => {});
  } catch {
    document.getElementById("no-camera").hidden = false;
    button.disabled = false;
  }
}

document.getElementById("start-area").hidden = false;
document.getElementById("start").addEventListener("click", start);
for (const form of document.querySelectorAll("form.scan")) form.addEventListener("submit", event => {
  event.preventDefault();
  if (busy) return;
  sound = sound || new (window.AudioContext || window.webkitAudioContext)();
  const field = form.elements.text, began = performance.now();
  if (!field) send({ nothing: true }, began);
  else if (field.value.trim()) { send({ text: field.value }, began); field.value = ""; }
});
// A touch anywhere takes the sign away before the next person comes.
document.addEventListener("click", event => { if (event.target.closest("#verdict")) document.getElementById("verdict").classList.remove("over"); });
