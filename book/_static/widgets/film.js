/* A film of points: a few hundred dots that move from frame to frame, by a slider or by themselves.

`film`: frames with points and a share of the colour for every point; `colours` gives their names and values.
`range`: the coordinates shown. `say(frame)`: a sentence on a frame, `name(frame)`: what the slider shows. */
function bnlibFilm(box, { frames, colours, range: { x, y }, say, name }) {
  const form = box.querySelector("form"), plot = box.querySelector("svg"), words = box.querySelector("[aria-live]");
  const { play, frame: slider, colour } = form.elements, said = form.querySelector("output");
  const PAUSE = 900, MOVE = 500, SIZE = 400; // milliseconds for a frame and for its movement, and the side of the picture
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let timer = null, drawn = null, moving = null;

  /* Return the rank of every value, between 0 and 1: the colours are quantiles. */
  const quantiles = (values) => {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]), found = [];
    order.forEach((at, rank) => { found[at] = rank / (values.length - 1); });
    return found;
  };
  const place = (points) => points.forEach(([a, b], i) => {
    dots[i].setAttribute("cx", ((a - x[0]) / (x[1] - x[0])) * SIZE);
    dots[i].setAttribute("cy", ((y[1] - b) / (y[1] - y[0])) * SIZE);
  });
  const paint = () => quantiles(colours[colour.value]).forEach((share, i) => dots[i].setAttribute("fill", bnlibSvg.viridis(share)));

  const show = () => {
    const frame = frames[slider.value], from = drawn, begun = performance.now();
    said.textContent = name(frame);
    slider.setAttribute("aria-valuetext", name(frame));
    words.setAttribute("aria-live", timer ? "off" : "polite"); // a film that runs would talk without end
    words.textContent = say(frame);
    plot.setAttribute("aria-label", words.textContent);
    cancelAnimationFrame(moving);
    const step = (now) => {
      const share = from && !still.matches ? Math.min(1, Math.max(0, (now - begun) / MOVE)) : 1;
      drawn = frame.points.map(([a, b], i) => (share < 1 ? [from[i][0] + share * (a - from[i][0]), from[i][1] + share * (b - from[i][1])] : [a, b]));
      place(drawn);
      if (share < 1) moving = requestAnimationFrame(step);
    };
    step(begun);
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    words.setAttribute("aria-live", "polite");
  };
  const next = () => {
    if (Number(slider.value) === frames.length - 1) return stop();
    slider.value = Number(slider.value) + 1;
    show();
  };

  slider.max = frames.length - 1;
  slider.value = 0;
  for (const key of Object.keys(colours)) colour.add(new Option(key, key));
  plot.setAttribute("viewBox", `-8 -8 ${SIZE + 16} ${SIZE + 16}`);
  plot.innerHTML = frames[0].points.map(() => '<circle r="5"/>').join("");
  const dots = [...plot.querySelectorAll("circle")];
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) === frames.length - 1) slider.value = 0;
    timer = setInterval(next, PAUSE);
    play.textContent = "Pause";
    show();
  });
  slider.addEventListener("input", () => { stop(); show(); });
  colour.addEventListener("input", paint);
  form.addEventListener("submit", (event) => event.preventDefault());
  box.hidden = false;
  paint();
  show();
}
