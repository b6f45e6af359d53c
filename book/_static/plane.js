/* The learned plane: the code of a few orbits in one layer of a network on the symmetry task, turned by a slider. */
document.addEventListener("DOMContentLoaded", () => {
  const runs = window.bnlibPlanes, box = document.getElementById("plane"), form = box.querySelector("form");
  const plot = document.getElementById("plane-plot"), words = document.getElementById("plane-words");
  const side = [-1, -0.5, 0, 0.5, 1], turns = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => -Math.PI + (i * Math.PI) / 4);
  const grid = side.flatMap((s) => side.flatMap((t) => turns.map((phase) => ({ s, t, phase }))));
  const WHEEL = ["#e2d9e2", "#7ba1c2", "#5e43a5", "#2f1436", "#8e2c50", "#cf8b73", "#e2d9e2"].map((c, i) => [i / 6, c]);
  const LOOKS = { s: ["first radius, s", "Viridis", -1, 1], t: ["second radius, t", "Viridis", -1, 1], phase: ["phase", WHEEL, -Math.PI, Math.PI] };
  for (const run of runs) form.elements.seed.add(new Option(run.seed + 1, run.seed));
  const slider = form.elements.layer, said = form.querySelector("output");
  slider.max = runs[0].codes.length;
  slider.value = 1;
  const draw = () => {
    const run = runs.find((r) => r.seed === Number(form.elements.seed.value)), layer = Number(slider.value);
    const code = run.codes[layer - 1], colour = form.elements.colour.value, [label, scale, low, high] = LOOKS[colour];
    const share = run.orbit_share[layer - 1], [s, t, phase] = run.decoded[layer - 1];
    said.textContent = `${layer} of ${run.depth}`;
    Plotly.react(plot, [{
      x: code.map((z) => z[0]), y: code.map((z) => z[1]), mode: "markers", type: "scatter",
      text: grid.map((g) => `s ${g.s}, t ${g.t}, phase ${g.phase.toFixed(2)}`), hovertemplate: "%{text}<extra></extra>",
      marker: { size: 8, color: grid.map((g) => g[colour]), colorscale: scale, cmin: low, cmax: high, showscale: true,
                colorbar: { title: { text: label, side: "right" }, thickness: 14 }, line: { width: 0.5, color: "#444" } },
    }], {
      height: Math.min(460, box.clientWidth), margin: { l: 10, r: 10, t: 10, b: 10 }, showlegend: false, dragmode: false,
      paper_bgcolor: "white", plot_bgcolor: "white", font: { color: "#222", size: 13 },
      xaxis: { range: [-2.6, 2.6], showticklabels: false, zeroline: false, fixedrange: true },
      yaxis: { range: [-2.6, 2.6], showticklabels: false, zeroline: false, fixedrange: true, scaleanchor: "x" },
    }, { displayModeBar: false, responsive: true });
    words.textContent = `Layer ${layer} of ${run.depth}, seed ${run.seed + 1}: ${share.toPrecision(2)} of the variance lies along orbits. `
      + `Read off these two components, R\u00b2 is ${s.toFixed(3)} for s, ${t.toFixed(3)} for t and ${phase.toFixed(3)} for the phase.`;
    plot.setAttribute("aria-label", words.textContent);
  };
  box.hidden = false;
  draw();
  form.addEventListener("input", draw);
});
