// The streets of the district that was chosen. Without this script a button loads the form again with them.
(() => {
  const district = document.getElementById("district"), street = document.getElementById("street");
  if (!district || !street) return;
  let asked = 0;
  district.addEventListener("change", async () => {
    const mine = ++asked, none = street.options[0];
    street.replaceChildren(none);
    if (!district.value) return;
    try {
      const answer = await fetch(`/streets/${encodeURIComponent(district.value)}`);
      if (!answer.ok || mine !== asked) return;
      const list = new DOMParser().parseFromString(`<select>${await answer.text()}</select>`, "text/html");
      if (mine !== asked) return;
      street.append(...list.querySelectorAll("option"));
      street.value = "";
    } catch {
      // Without a connection the street can be written as a community.
    }
  });
})();
