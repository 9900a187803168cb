// Every browser test, in one process with one Chromium; `node --test` runs this file.

import { after, before } from "node:test";
import { clear } from "./measure.mjs";
import { begin, end } from "./phone.mjs";

before(async () => {
  await clear();
  await begin();
});
after(end);

await import("./front.mjs");
await import("./forms.mjs");
await import("./card.mjs");
await import("./place.mjs");
await import("./staff.mjs");
await import("./camera.mjs");
await import("./staff-page.mjs");
