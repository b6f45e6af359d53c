// The page of claims can be narrowed by its two badges and by a word; its table of contents follows. Without scripts it
// shows them all.
document.addEventListener("DOMContentLoaded", () => {
  const page = document.getElementById("the-claims-and-where-they-stand"); // in print a part of a longer page
  if (!page) return;
  const cards = [...page.querySelectorAll("section dl > dt")].map((term) => {
    const parts = [term];
    for (let e = term.nextElementSibling; e && e.tagName === "DD"; e = e.nextElementSibling) parts.push(e);
    const badges = [...term.querySelectorAll(".sd-badge")].map((badge) => badge.textContent.trim());
    return { parts, badges, text: parts.map((part) => part.textContent).join(" ").toLowerCase() };
  });
  const form = document.createElement("form");
  form.className = "claim-filter";
  form.setAttribute("role", "search");
  const choice = (label, number) => {
    const kinds = [...new Set(cards.map((card) => card.badges[number]))];
    const options = kinds.map((kind) => `<option>${kind}</option>`).join("");
    return `<label>${label} <select><option value="">all</option>${options}</select></label> `;
  };
  form.innerHTML =
    choice("Standing", 0) + choice("Checks", 1) + '<label>Contains <input type="search"></label> <output></output>';
  const selects = [...form.querySelectorAll("select")];
  const [input, output] = ["input", "output"].map((tag) => form.querySelector(tag));
  const narrow = () => {
    const word = input.value.trim().toLowerCase();
    let shown = 0;
    for (const card of cards) {
      const chosen = selects.every((select, number) => !select.value || card.badges[number] === select.value);
      const fits = chosen && card.text.includes(word);
      card.parts.forEach((part) => (part.hidden = !fits));
      shown += fits;
    }
    page.querySelectorAll(":scope > section").forEach((part) => {
      part.hidden = ![...part.querySelectorAll("dl > dt")].some((term) => !term.hidden);
      document.querySelectorAll(`.bd-toc a[href="#${part.id}"]`).forEach((link) => (link.hidden = part.hidden));
    });
    output.textContent = `${shown} of ${cards.length} claims`;
  };
  form.addEventListener("input", narrow);
  form.addEventListener("submit", (event) => event.preventDefault());
  page.querySelector("section").before(form);
  narrow();
});
