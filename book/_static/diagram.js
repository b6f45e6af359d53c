/* The phase diagram: a table of depths and ridges whose cells open the middle spectra of four competing trainings. */
document.addEventListener("DOMContentLoaded", () => {
  const runs = window.bnlibPhases, box = document.getElementById("phases"), form = box.querySelector("form");
  const plot = document.getElementById("phases-plot"), words = document.getElementById("phases-words");
  const knobs = bnlibMenus(form, runs);
  form.elements.depth.value = 24;
  form.elements.ridge.value = 0.002;
  const STARTS = [[null, "standard start", "#0072b2", "circle"], [1, "started with 1", "#d55e00", "square"],
                  [2, "started with 2", "#00795c", "diamond"], [3, "started with 3", "#7b3f9e", "cross"]];
  const flat = (run) => run.constant < run.objective;
  const rank = (run) => (flat(run) ? "0" : run.decided ? `${run.learned_rank}` : "?");
  const label = (x) => String(x);
  const draw = () => {
    const [depth, ridge, seed] = ["depth", "ridge", "seed"].map((name) => Number(form.elements[name].value));
    const mine = runs.filter((run) => run.seed === seed), narrow = box.clientWidth < 600;
    const at = (L, strength) => mine.filter((run) => run.depth === L && run.ridge === strength).sort((a, b) => a.objective - b.objective);
    const cells = knobs.depth.flatMap((L) => knobs.ridge.map((strength) => at(L, strength)[0]));
    const found = at(depth, ridge), [best] = found;
    const grid = {
      x: cells.map((c) => label(c.depth)), y: cells.map((c) => label(c.ridge)), text: cells.map(rank),
      mode: "markers+text", hoverinfo: "none", showlegend: false, textfont: { size: 13, color: "#111" },
      marker: { symbol: "square", size: 27, line: { width: cells.map((c) => (c === best ? 4 : 0)), color: "#111" },
                color: cells.map((c) => (flat(c) ? bnlibRanks[0] : c.decided ? bnlibRanks[Math.min(c.learned_rank, 4)] : "#ffffff")) },
    };
    const lines = STARTS.map(([start, name, color, symbol]) => {
      const run = found.find((r) => r.start === start), wins = run === best;
      return {
        x: run.spectrum.map((_, i) => i + 1), y: run.spectrum, xaxis: "x2", yaxis: "y2", mode: "lines+markers", name,
        hovertemplate: `value %{x}: %{y:.3g}<extra>${name}</extra>`,
        line: { color, width: wins ? 3.5 : 1.2, dash: wins ? "solid" : "dot" }, marker: { symbol, size: wins ? 10 : 6 },
      };
    });
    const side = (left, wide) => (narrow ? [0, 1] : [left, wide]);
    Plotly.react(plot, [grid, ...lines], {
      height: narrow ? 800 : 440, margin: { l: 60, r: 10, t: 30, b: narrow ? 90 : 80 }, dragmode: false,
      legend: { orientation: "h", x: narrow ? 0 : 0.5, y: -0.2, yref: "paper" },
      paper_bgcolor: "white", plot_bgcolor: "white", font: { color: "#222", size: 13 },
      xaxis: { domain: side(0, 0.42), anchor: "y", title: { text: "depth" }, type: "category", fixedrange: true, showgrid: false,
               categoryarray: knobs.depth.map(label), categoryorder: "array" },
      yaxis: { domain: narrow ? [0.56, 1] : [0, 1], title: { text: "ridge" }, type: "category", fixedrange: true, showgrid: false,
               categoryarray: knobs.ridge.map(label), categoryorder: "array" },
      xaxis2: { domain: side(0.54, 1), anchor: "y2", title: { text: "singular value, by size" }, dtick: 1, fixedrange: true },
      yaxis2: { domain: narrow ? [0, 0.4] : [0, 1], anchor: "x2", title: { text: "in the middle layers" }, range: [0, 1.6], fixedrange: true },
    }, { displayModeBar: false, responsive: true });
    const name = (run) => STARTS.find(([start]) => start === run.start)[1];
    const above = (run) => 100 * (run.objective / best.objective - 1);
    const more = found.slice(1).map((run) => `${above(run).toFixed(above(run) < 10 ? 1 : 0)} % (${name(run)})`);
    words.textContent = `Depth ${depth}, ridge ${ridge}, seed ${seed + 1}: the best of four trainings (${name(best)}) `
      + (best.decided ? `has rank ${best.learned_rank}. ` : "has no clear rank. ")
      + (flat(best) ? "A constant function would cost less. " : "")
      + `Its singular values in the middle are ${best.spectrum.map((v) => (v < 0.001 ? "below 0.001" : v.toPrecision(3))).join(", ")}. `
      + `The others end higher by ${more.join(", ")}.`;
    plot.setAttribute("aria-label", words.textContent);
  };
  box.hidden = false;
  draw();
  form.addEventListener("input", draw);
  plot.on("plotly_click", ({ points: [point] }) => {
    if (point.curveNumber !== 0) return;
    form.elements.depth.value = point.x;
    form.elements.ridge.value = point.y;
    draw();
  });
});
