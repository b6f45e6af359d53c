/* The page of knobs: a table of depths and ridges whose cells open the spectra of one stored training. */
const bnlibRanks = ["#f0f0f0", "#d2e3f3", "#9dc6e0", "#f6c38f", "#ee8e5a"];

/* Fill the menus of a table of depths, ridges and seeds, and return what they offer. */
function bnlibMenus(form, runs) {
  const values = (name) => [...new Set(runs.map((run) => run[name]))].sort((a, b) => a - b);
  const knobs = { depth: values("depth"), ridge: values("ridge"), seed: values("seed") };
  for (const [name, options] of Object.entries(knobs))
    for (const value of options) form.elements[name].add(new Option(name === "seed" ? value + 1 : value, value));
  return knobs;
}

function bnlibKnobs() {
  const runs = window.bnlibSpectra, box = document.getElementById("knobs"), form = box.querySelector("form");
  const plot = document.getElementById("knobs-plot"), words = document.getElementById("knobs-words");
  const knobs = bnlibMenus(form, runs);
  form.elements.depth.value = 25;
  form.elements.ridge.value = 0.002;
  const LEAD = ["#0072b2", "#d55e00", "#00795c", "#7b3f9e", "#8a6d00"], GREY = "#767676";
  const rank = (run) => (run.decided ? `${run.learned_rank}` : "?");
  const draw = () => {
    const chosen = Object.fromEntries(["depth", "ridge", "seed"].map((name) => [name, Number(form.elements[name].value)]));
    const cells = runs.filter((run) => run.seed === chosen.seed);
    const run = cells.find((cell) => cell.depth === chosen.depth && cell.ridge === chosen.ridge);
    const rows = run[form.elements.what.value], layers = rows.map((_, i) => i + 1);
    const narrow = box.clientWidth < 600;
    const label = (x) => String(x);
    const grid = {
      x: cells.map((c) => label(c.depth)), y: cells.map((c) => label(c.ridge)), text: cells.map(rank),
      mode: "markers+text", hoverinfo: "none", textfont: { size: 15, color: "#111" },
      marker: { symbol: "square", size: 36, line: { width: cells.map((c) => (c === run ? 4 : 0)), color: "#111" },
                color: cells.map((c) => (c.decided ? bnlibRanks[Math.min(c.learned_rank, 4)] : "#ffffff")) },
    };
    const lines = rows[0].map((_, i) => ({
      x: layers, y: rows.map((row) => row[i]), xaxis: "x2", yaxis: "y2", mode: "lines+markers",
      hovertemplate: `value ${i + 1} in layer %{x}: %{y:.3g}<extra></extra>`,
      line: { color: i < run.learned_rank ? LEAD[i] : GREY, width: i < run.learned_rank ? 2.5 : 1.2 }, marker: { size: i < run.learned_rank ? 6 : 3 },
    }));
    const side = (left, wide) => (narrow ? [0, 1] : [left, wide]);
    Plotly.react(plot, [grid, ...lines], {
      height: narrow ? 700 : 400, margin: { l: 60, r: 10, t: 30, b: 45 }, showlegend: false, dragmode: false,
      paper_bgcolor: "white", plot_bgcolor: "white", font: { color: "#222", size: 13 },
      xaxis: { domain: side(0, 0.4), anchor: "y", title: { text: "depth" }, type: "category", fixedrange: true, showgrid: false,
               categoryarray: knobs.depth.map(label), categoryorder: "array" },
      yaxis: { domain: narrow ? [0.58, 1] : [0, 1], title: { text: "ridge" }, type: "category", fixedrange: true, showgrid: false,
               categoryarray: knobs.ridge.map(label), categoryorder: "array" },
      xaxis2: { domain: side(0.52, 1), anchor: "y2", title: { text: "layer" }, fixedrange: true },
      yaxis2: { domain: narrow ? [0, 0.42] : [0, 1], anchor: "x2", title: { text: "singular value" }, rangemode: "tozero", fixedrange: true },
    }, { displayModeBar: false, responsive: true });
    const middle = Math.ceil(rows.length / 2), there = rows[middle - 1].map((v) => (v < 0.001 ? "below 0.001" : v.toPrecision(3)));
    words.textContent = `Depth ${run.depth}, ridge ${run.ridge}, seed ${run.seed + 1}: `
      + (run.collapsed ? "the network has collapsed to a constant. " : run.decided ? `rank ${run.learned_rank}. ` : "the rank is not decided. ")
      + (run.converged ? "" : "The training did not converge. ")
      + `In layer ${middle} the singular values of the ${form.elements.what.value} are ${there.join(", ")}.`;
    plot.setAttribute("aria-label", words.textContent);
  };
  // The static picture is for print and for readers without scripts.
  document.body.classList.add("has-knobs");
  box.hidden = false;
  draw();
  form.addEventListener("input", draw);
  plot.on("plotly_click", ({ points: [point] }) => {
    if (point.curveNumber !== 0) return;
    form.elements.depth.value = point.x;
    form.elements.ridge.value = point.y;
    draw();
  });
}

// The first page loads this script late, when the document is complete.
if (document.readyState === "complete") bnlibKnobs();
else document.addEventListener("DOMContentLoaded", bnlibKnobs);
