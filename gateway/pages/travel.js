// Brings the answer of a query into the page: what is typed in the form around it stays, and a screen reader hears what came.
(() => {
  const box = () => document.getElementById("travel");
  let shown = "", pressed = false, timer;

  /** Where the keyboard was, or the module's heading: what was pressed may be gone. */
  function focus(id) {
    const same = id && document.getElementById(id);
    (same && box().contains(same) ? same : document.getElementById("travel-title")).focus();
  }

  function swap(text) {
    const old = box();
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("travel");
    if (!fresh || text === shown) return;
    shown = text;
    if (still(old) === still(fresh) && old.querySelector(".genuine") && fresh.querySelector(".genuine")) {
      old.querySelector(".genuine").replaceWith(document.adoptNode(fresh.querySelector(".genuine")));
      return;
    }
    const chosen = old.querySelector("input[name=declared]:checked:not(:disabled)");
    const open = old.querySelector("details[open]");
    const before = document.activeElement, focused = old.contains(before) || (pressed && before === document.body);
    pressed = false;
    old.replaceWith(document.adoptNode(fresh));
    const same = chosen && box().querySelector(`input[name=declared][value=${chosen.value}]:not(:disabled)`);
    if (same) same.checked = true;
    const details = box().querySelector("details");
    if (open && details) details.open = true;
    if (focused) focus(before.id);
    // Staff look at the whole panel.
    if (document.querySelector(".panel .showing")) scrollTo(0, 0);
    const said = [...box().querySelectorAll("[data-said]")].map((part) => part.innerText).join(" ");
    document.getElementById("travel-said").textContent = said;
  }

  // The module without the picture that is another one each time: what is the same is not read out again.
  function still(module) {
    const copy = module.cloneNode(true);
    copy.querySelectorAll(".genuine").forEach((picture) => picture.remove());
    return copy.innerHTML;
  }

  async function look() {
    try {
      const answer = await fetch(box().dataset.source);
      if (answer.ok) swap(await answer.text());
      else if (answer.status === 404) return;
    } catch {
      // The connection is gone for the moment; the next look may find it.
    }
    again();
  }

  // While carriers are asked; and while staff may scan: the picture is renewed, and the page says when they did.
  function again() {
    clearTimeout(timer);
    if (box().hasAttribute("data-waits")) timer = setTimeout(look, 1000);
    else if (box().querySelector("[data-shows]")) timer = setTimeout(look, 5000);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-travel]");
    if (!button || !box().contains(button)) return;
    event.preventDefault();
    button.disabled = true;
    pressed = true;
    const body = new URLSearchParams(new FormData(button.form));
    try {
      const answer = await fetch(button.formAction, { method: "POST", body, redirect: "manual" });
      if (answer.status === 403) location.reload();
    } catch {
      button.disabled = false;
    }
    shown = "";
    look();
  });

  if (box()) again();
})();
