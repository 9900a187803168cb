// What the staff's camera sees: about eight frames a second are read here. A code is given on once; the next person may come at once,
// and the same code still held up is no new scan. With two codes in view none is given on: nobody knows whose turn it is.
const AGAIN_MS = 3000, GAP_MS = 400, TWO_MS = 1500, STILL_MS = 4000, EVERY_MS = 120, SIDE = 480;

/** Reads every code of a frame: a browser's own detector does, ours finds one, and another once that one is painted over. */
async function reader() {
  if ("BarcodeDetector" in window && (await BarcodeDetector.getSupportedFormats()).includes("qr_code")) {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    return async canvas => (await detector.detect(canvas)).map(code => code.rawValue);
  }
  const { decodeQR } = await import("/s/qr.js");
  return async (canvas, pen) => {
    const found = [];
    for (let look = 0; look < 2; look += 1) {
      let outline = [];
      try {
        found.push(decodeQR(pen.getImageData(0, 0, canvas.width, canvas.height), { pointsOnDetect: points => { outline = points.outline; } }));
      } catch { break; }
      pen.fillStyle = "#888";
      pen.beginPath();
      for (const { x, y } of outline) pen.lineTo(x, y);
      pen.fill();
    }
    return found;
  };
}

/** Sorts what frames say: `see` gets the texts of each. `still` is told each time that the code given on last is in view still. */
export function sorter({ seen, still, two }) {
  let held = { text: undefined, at: -Infinity }, twoAt = -Infinity, other;
  return (texts, now) => {
    const all = new Set(texts.filter(text => text.trim()));
    const [text] = all;
    const since = now - held.at;
    if (all.size > 1 || (text === held.text && other !== undefined && now - other < GAP_MS)) {
      if (all.has(held.text)) held.at = now;
      twoAt = now;
      return two(true);
    }
    if (now - twoAt > TWO_MS) two(false);
    if (text === undefined) return;
    if (text === held.text && since < AGAIN_MS) { held.at = now; return still(); }
    // Another code at once: one that was renewed, or a second one that comes and goes. It is looked at for a moment more.
    if (since < GAP_MS || now - twoAt < GAP_MS) { other = now; return; }
    held = { text, at: now };
    other = undefined;
    two(false);
    seen(text, since < AGAIN_MS);
  };
}

/** Starts the camera and gives on what it sees, until it ends; fails where there is none. */
export async function look(video, { seen, still, two, ended }) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: false,
    video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } } });
  const [track] = stream.getVideoTracks();
  video.srcObject = stream;
  await video.play();
  const read = await reader(), canvas = document.createElement("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = canvas.height = SIDE;
  const see = sorter({ seen, still, two });
  let runs = true;
  // Some cameras stop without a word when another program takes them: the picture stands still.
  let moved = { to: -1, at: performance.now() };
  const over = () => {
    if (!runs) return;
    runs = false;
    track.stop();
    document.removeEventListener("visibilitychange", shown);
    ended();
  };
  const shown = () => {
    if (document.hidden) return;
    moved = { to: -1, at: performance.now() };
    if (track.readyState === "ended") over(); else video.play().catch(over);
  };
  track.addEventListener("ended", over);
  document.addEventListener("visibilitychange", shown);
  const frame = async () => {
    const began = performance.now(), side = Math.min(video.videoWidth, video.videoHeight);
    if (!runs) return;
    if (video.currentTime !== moved.to) moved = { to: video.currentTime, at: began };
    if (!document.hidden && (track.readyState === "ended" || began - moved.at > STILL_MS)) return over();
    if (side && !document.hidden) {
      pen.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, SIDE, SIDE);
      try { see(await read(canvas, pen), performance.now()); } catch { /* the next frame is read */ }
    }
    setTimeout(frame, Math.max(10, EVERY_MS - (performance.now() - began)));
  };
  frame();
}
