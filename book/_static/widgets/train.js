/* Train a network in the reader's browser: knobs, buttons, and a drawing of what train-worker.js reports. */
document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("train"), form = box.querySelector("form"), { run, reset } = form.elements;
  const [plot, numbers, words] = ["train-plot", "train-numbers", "train-words"].map((id) => document.getElementById(id));
  const slow = matchMedia("(prefers-reduced-motion: reduce)");
  const SHAPES = ["circle", "square", "diamond", "triangle", "hexagon"], QUARTERS = 4;
  let report = null, waiting = false, told = -1;

  /* Open a worker from the text of the trainer, which works from a file too; without workers it runs on this page. */
  const open = (hear) => {
    const source = `const serve = (${bnlibTrainer})().serve((report) => postMessage(report)); onmessage = serve;`;
    try {
      const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      worker.onmessage = ({ data }) => hear(data);
      return (message) => worker.postMessage(message);
    } catch {
      const serve = bnlibTrainer().serve(hear);
      return (message) => serve({ data: message });
    }
  };

  const percent = (x) => `${(100 * Math.abs(x)).toPrecision(2)} %`;
  const few = (x) => (x === 0 || x >= 1e-3 ? Number(x.toPrecision(3)).toString() : "below 0.001");
  const chosen = ({ options: o }) => `Depth ${o.depth}, ridge ${o.ridge}, seed ${o.seed + 1}, target of rank ${o.rank}`;

  const sentence = (r) => {
    if (r.step === 0) return `${chosen(r)}: ready. All singular values are 1.41.`;
    if (!Number.isFinite(r.objective)) return `${chosen(r)}: the training diverged.`;
    const layer = Math.ceil(r.spectra.length / 2), values = r.spectra[layer - 1].slice(0, 5).map(few).join(", ");
    const rank = r.collapsed ? "The network is a constant function. " : r.decided ? `Its rank is ${r.rank}. ` : "Its rank is not decided. ";
    const moved = `in the last 1000 steps the objective ${r.decrease < 0 ? "rose" : "fell"} by ${percent(r.decrease)}, `
      + `and the imbalance is ${few(r.imbalance)}. `;
    const ended = !r.finished || r.collapsed ? "" : `The training has ${r.converged ? "" : "not "}converged: ${moved}`
      + (r.objective > r.options.rank ? "A constant function would cost less. " : ""); // the variance of the targets
    return `${chosen(r)}, ${r.running ? "" : r.finished ? "finished at " : "paused at "}step ${r.step} of ${r.total}. ${rank}`
      + `In layer ${layer} the five largest singular values are ${values}. ${ended}`;
  };

  const draw = () => {
    waiting = false;
    const r = report, narrow = box.clientWidth < 600, depth = r.spectra.length;
    const [wide, high] = narrow ? [360, 560] : [720, 300];
    const most = Math.max(2, Math.ceil(Math.max(...r.spectra.map((row) => row[0])))), layers = [...Array(depth).keys()].map((l) => l + 1);
    const left = bnlibSvg.panel({ left: 52, top: 10, width: narrow ? 296 : 360, height: 240,
      x: { from: 0.7, to: depth + 0.3, ticks: layers.filter((l) => l % 2 === 0 || l === 1), label: "layer" },
      y: { from: 0, to: most, ticks: [...Array(most + 1).keys()], label: "singular values" } });
    const low = Math.min(...r.curve), decades = [0.001, 0.01, 0.1, 1, 10].filter((v) => v >= low / 10 && v <= 10);
    const right = bnlibSvg.panel({ left: narrow ? 52 : 480, top: narrow ? 310 : 10, width: narrow ? 284 : 210, height: narrow ? 200 : 240,
      x: { from: 0, to: r.total, ticks: [0, 4000, 8000, 12000], label: "step" },
      y: { from: decades[0], to: decades[decades.length - 1], ticks: decades, label: "objective", log: true } });
    const leading = r.rank < 12 ? Math.min(r.rank, SHAPES.length) : 0;
    const lines = Array.from({ length: 12 }, (_, i) => {
      const points = r.spectra.flatMap((row, l) => (i < row.length ? [[left.X(l + 1), left.Y(row[i])]] : []));
      return i < leading ? bnlibSvg.line(points, `lead lead-${i + 1}`, SHAPES[i]) : bnlibSvg.line(points, "rest");
    }).reverse();
    const curve = r.curve.map((value, i) => [right.X(50 * i), right.Y(Math.min(Math.max(value, decades[0]), 10))]);
    plot.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    plot.innerHTML = left.text + lines.join("") + right.text + (curve.length > 1 ? bnlibSvg.line(curve, "lead lead-1") : "");
    numbers.textContent = `step ${r.step} of ${r.total} \u00b7 mean squared error ${few(r.loss)} \u00b7 squared norm ${few(r.squaredNorm)} `
      + `\u00b7 objective ${few(r.objective)}`;
    run.textContent = r.running ? "Pause" : r.step && !r.finished ? "Continue" : "Start";
    run.disabled = r.finished;
    // A screen reader is told of changes of state and of every quarter, not of every drawing.
    const state = r.running ? Math.floor((QUARTERS * r.step) / r.total) : `${chosen(r)} ${r.step}`;
    if (state !== told) words.textContent = sentence(r);
    told = state;
    plot.setAttribute("aria-label", sentence(r));
  };

  const send = open((data) => {
    report = data;
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  });
  const start = () => {
    const [rank, depth, ridge, seed] = ["rank", "depth", "ridge", "seed"].map((name) => Number(form.elements[name].value));
    send({ kind: "reset", options: { rank, depth, ridge, seed } });
  };
  run.addEventListener("click", () => send(report.running ? { kind: "pause" } : { kind: "run", slice: slow.matches ? 1000 : 40 }));
  reset.addEventListener("click", start);
  form.addEventListener("input", start);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("resize", () => report && draw());
  document.body.classList.add("has-training");
  box.hidden = false;
  start();
});
