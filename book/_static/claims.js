// The page of claims can be narrowed to one status and to a word. Without scripts it shows them all.
document.addEventListener("DOMContentLoaded", () => {
  const page = document.getElementById("the-claims-and-where-they-stand"); // in print a part of a longer page
  if (!page) return;
  const cards = [...page.querySelectorAll("section dl > dt")].map((term) => {
    const parts = [term];
    for (let e = term.nextElementSibling; e && e.tagName === "DD"; e = e.nextElementSibling) parts.push(e);
    const badge = term.querySelector(".sd-badge");
    return { parts, status: badge ? badge.textContent.trim() : "", text: parts.map((p) => p.textContent).join(" ").toLowerCase() };
  });
  const form = document.createElement("form");
  form.className = "claim-filter";
  form.setAttribute("role", "search");
  const kinds = [...new Set(cards.map((card) => card.status))];
  form.innerHTML =
    '<label>Status <select><option value="">all</option>' +
    kinds.map((kind) => `<option>${kind}</option>`).join("") +
    '</select></label> <label>Contains <input type="search"></label> <output></output>';
  const [select, input, output] = ["select", "input", "output"].map((tag) => form.querySelector(tag));
  const narrow = () => {
    const word = input.value.trim().toLowerCase();
    let shown = 0;
    for (const card of cards) {
      const fits = (!select.value || card.status === select.value) && card.text.includes(word);
      card.parts.forEach((part) => (part.hidden = !fits));
      shown += fits;
    }
    page.querySelectorAll(":scope > section").forEach((part) => {
      part.hidden = ![...part.querySelectorAll("dl > dt")].some((term) => !term.hidden);
    });
    output.textContent = `${shown} of ${cards.length} claims`;
  };
  form.addEventListener("input", narrow);
  form.addEventListener("submit", (event) => event.preventDefault());
  page.querySelector("section").before(form);
  narrow();
});
