// The overview of a gateway of a fleet whose leader is dead, while no other gateway can lead. It is started by tests/tests/end_to_end/monitoring/overview_of_fleet.rs.

import { after, before } from "node:test";
import { begin, check, end, phone } from "./phone.mjs";

const WALL = { viewport: { width: 1920, height: 1080 }, locale: "en" };

before(begin);
after(end);

check("while nobody leads it says whom it followed, how old the colours are, and that people pass", async (t) => {
  const it = await phone(t, WALL);
  await it.go("/");
  await it.page.locator("body[data-state=live]").waitFor();
  const fleet = it.page.locator("#fleet.ill");
  await fleet.getByText(/^(followed north|nobody leads)$/).waitFor();
  await fleet.getByText(/· south · .*colours from \d+ (s|min) ago/).waitFor();
  await it.page.waitForFunction(() => Number.parseFloat(document.querySelector("#punches .large").textContent) > 0);
  await it.look("overview-fleet");
});
