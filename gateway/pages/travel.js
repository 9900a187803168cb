// Brings the answer of a query into the page: what is typed in the form around it stays.
(() => {
  const box = () => document.getElementById("travel");
  let timer = 0;

  const choice = () => box().querySelector("input[name=declared]:checked:not(:disabled)");

  async function draw() {
    clearTimeout(timer);
    try {
      const answer = await fetch(box().dataset.source, { headers: { accept: "text/html" } });
      if (answer.ok) {
        const chosen = choice();
        const details = box().querySelector("details[open]");
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("travel");
        const before = box().querySelector("[role=status], [role=alert]");
        const after = fresh.querySelector("[role=status], [role=alert]");
        if (!before || !after || before.outerHTML !== after.outerHTML || fresh.children.length !== box().children.length) {
          box().replaceWith(document.adoptNode(fresh));
          const same = chosen && box().querySelector(`input[name=declared][value=${chosen.value}]:not(:disabled)`);
          if (same) same.checked = true;
          if (details && box().querySelector("details")) box().querySelector("details").open = true;
        } else if (box().innerHTML !== fresh.innerHTML && !box().querySelector(".links")) {
          box().replaceWith(document.adoptNode(fresh));
          if (chosen) box().querySelector(`input[name=declared][value=${chosen.value}]`).checked = true;
        }
      }
    } catch {
      // The connection is gone for the moment; the next look may find it.
    }
    if (box().hasAttribute("data-waits")) timer = setTimeout(draw, 1000);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-travel]");
    if (!button || !box().contains(button)) return;
    event.preventDefault();
    button.disabled = true;
    try {
      await fetch(button.formAction, { method: "POST", body: new URLSearchParams(new FormData(button.form)), redirect: "manual" });
    } catch {
      button.disabled = false;
    }
    draw();
  });

  if (box() && box().hasAttribute("data-waits")) timer = setTimeout(draw, 1000);
})();
