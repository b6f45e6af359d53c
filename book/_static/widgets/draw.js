/* What the widgets of the chapters share: drawings as text, so that they need no page, and knobs that redraw them. */
globalThis.bnlibWidgets = {
  STYLE: `.chart text{font:13px sans-serif;fill:currentColor}.chart .small{font-size:12px}
.chart .axis,.chart .tick{stroke:currentColor;stroke-width:1;fill:none}.chart .tick{opacity:.18}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}.chart .thin{stroke-width:1;opacity:.55}
.chart .wide{stroke-width:4}.chart .dotted{stroke-dasharray:2 4}.chart .dashed{stroke-dasharray:7 4}
.chart .area{stroke:none;opacity:.25}.chart .dot{stroke:none}.chart .pin{fill:#fff;stroke:#222;stroke-width:1.5}.chart .ring{fill:none;stroke-width:2.5}
.chart .c0{--c:var(--widget-0,#0072b2)}.chart .c1{--c:var(--widget-1,#b34700)}.chart .ink{--c:currentColor}
.chart .grey{--c:var(--widget-grey,#767676)}.chart .line,.chart .ring{stroke:var(--c)}
.chart .dot,.chart .area,.chart text.c0,.chart text.c1{fill:var(--c)}`,

  /* Keep a widget under its name: knobs, numbers without a drawing, and what it draws and says. */
  add(name, widget) { this[name] = widget; },

  /* Return frames for panels, side by side on a desk and one below the other on a phone. */
  frames(width, count, height = 300) {
    const beside = width >= 560, each = beside ? width / count : width;
    return Array.from({ length: count }, (_, i) => ({ left: beside ? i * each : 0, top: beside ? 0 : i * height, width: each, height }));
  },

  /* Return about four round numbers between two, for an axis. */
  ticks(low, high) {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough)), step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
    const first = Math.ceil(low / step - 1e-9), count = Math.floor(high / step + 1e-9) - first + 1;
    return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(6)));
  },

  /* Open a panel with axes. Its methods add to `parts`, which is the text of the drawing. */
  panel(frame, { title, x, y, xlabel, ylabel, xticks = [], yticks = [], log = "", square = false }) {
    const on = (name) => (log.includes(name) ? Math.log : (v) => v), put = (v) => Math.round(10 * v) / 10;
    const box = { left: frame.left + 54, top: frame.top + 28, width: frame.width - 68, height: frame.height - 76 };
    if (square) box.left += (box.width - (box.width = box.height = Math.min(box.width, box.height))) / 2;
    const [fx, fy] = [on("x"), on("y")];
    const X = (v) => box.left + (box.width * (fx(v) - fx(x[0]))) / (fx(x[1]) - fx(x[0]));
    const Y = (v) => box.top + box.height - (box.height * (fy(v) - fy(y[0]))) / (fy(y[1]) - fy(y[0]));
    const right = box.left + box.width, bottom = box.top + box.height, middle = box.left + box.width / 2;
    const words = (px, py, text, looks, anchor = "middle", more = "") =>
      parts.push(`<text x="${put(px)}" y="${put(py)}" class="${looks}" text-anchor="${anchor}"${more}>${text}</text>`);
    const parts = [];
    const said = (tick) => (Array.isArray(tick) ? tick : [tick, String(tick).replace("-", "\u2212")]);
    for (const [v, text] of xticks.map(said)) {
      parts.push(`<path class="tick" d="M${put(X(v))} ${put(box.top)}V${put(bottom)}"/>`);
      words(X(v), bottom + 17, text, "small");
    }
    for (const [v, text] of yticks.map(said)) {
      parts.push(`<path class="tick" d="M${put(box.left)} ${put(Y(v))}H${put(right)}"/>`);
      words(box.left - 6, Y(v) + 4, text, "small", "end");
    }
    parts.push(`<path class="axis" d="M${put(box.left)} ${put(box.top)}V${put(bottom)}H${put(right)}"/>`);
    words(middle, frame.top + 17, title, "");
    if (xlabel) words(middle, bottom + 36, xlabel, "");
    const [lx, ly] = [frame.left + 14, box.top + box.height / 2];
    if (ylabel) words(lx, ly, ylabel, "", "middle", ` transform="rotate(-90 ${put(lx)} ${put(ly)})"`);
    const clip = `x="${put(box.left)}" y="${put(box.top)}" width="${put(box.width)}" height="${put(box.height)}"`;
    const inside = (shape) => parts.push(`<svg ${clip} viewBox="${clip.replace(/[a-z]+="|"/g, "")}">${shape}</svg>`);
    const path = (points) => `M${points.map(([a, b]) => `${put(X(a))} ${put(Y(b))}`).join("L")}`;
    return {
      parts, box,
      line: (points, looks) => inside(`<path class="line ${looks}" d="${path(points)}"/>`),
      area: (points, looks) => inside(`<path class="area ${looks}" d="${path(points)}Z"/>`),
      dots: (points, looks, r = 4) => parts.push(...points.map(([a, b]) => `<circle class="${looks}" cx="${put(X(a))}" cy="${put(Y(b))}" r="${r}"/>`)),
      text: (a, b, text, looks = "small", anchor = "start") => words(X(a), Y(b), text, looks, anchor),
      cells: (rects) => inside(rects.map(([a, b, c, d, fill, opacity]) =>
        `<rect x="${put(X(a))}" y="${put(Y(d))}" width="${put(X(c) - X(a) + 0.2)}" height="${put(Y(b) - Y(d) + 0.2)}" fill="${fill}" opacity="${opacity}"/>`).join("")),
    };
  },

  /* Join panels to one drawing; the frames say how high it is. */
  drawing(width, frames, panels) {
    const height = Math.max(...frames.map((f) => f.top + f.height));
    return `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`
      + `<style>${this.STYLE}</style>${panels.map((panel) => panel.parts.join("\n")).join("\n")}</svg>`;
  },

  /* Return the values with which a widget starts. */
  defaults(name) {
    const knobs = Object.entries(this[name].knobs);
    return Object.fromEntries(knobs.map(([key, knob]) => [key, knob.options ? knob.options[0] : knob.of ? knob.of(knob.start) : knob.start]));
  },

  /* Build one knob of a form. */
  knob(key, { label, options, min, max, step, start }) {
    const line = document.createElement("label");
    line.append(`${label} `);
    const input = line.appendChild(document.createElement(options ? "select" : "input"));
    if (options) options.forEach((option) => input.add(new Option(option)));
    else Object.assign(input, { type: "range", min, max, step, value: start });
    input.name = key;
    if (!options) line.append(" ", document.createElement("output"));
    return line;
  },

  /* Put the widget into the figure before its box: above the caption, in place of the picture, which print keeps. */
  start(box) {
    const widget = this[box.dataset.widget], figure = box.previousElementSibling;
    const form = document.createElement("form"), picture = document.createElement("div"), words = document.createElement("p");
    picture.className = "widget-picture";
    picture.setAttribute("role", "img");
    words.setAttribute("aria-live", "polite");
    for (const [key, knob] of Object.entries(widget.knobs)) form.append(this.knob(key, knob));
    box.append(form, picture, words);
    figure.querySelector("figcaption").before(box);
    figure.classList.add("has-live-figure");
    const show = () => {
      const values = { ...box.dataset };
      for (const [key, knob] of Object.entries(widget.knobs)) {
        const input = form.elements[key];
        if (knob.options) { values[key] = input.value; continue; }
        values[key] = knob.of ? knob.of(Number(input.value)) : Number(input.value);
        const said = knob.say ? knob.say(values[key], values) : String(values[key]);
        input.nextElementSibling.textContent = said;
        input.setAttribute("aria-valuetext", said);
      }
      const drawn = widget.draw(values, Math.floor(picture.clientWidth));
      picture.innerHTML = drawn.svg;
      picture.setAttribute("aria-label", drawn.words);
      words.textContent = drawn.words;
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => event.preventDefault());
    let width = 0;
    new ResizeObserver(() => {
      if (width === (width = picture.clientWidth)) return;
      show();
    }).observe(picture);
    show();
    if (widget.play && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.player(form, widget.play, words);
  },

  /* Add a button that moves one slider from its least to its largest value; what is said waits until it stops. */
  player(form, key, words) {
    const button = document.createElement("button"), input = form.elements[key];
    let timer = null;
    const stop = () => {
      clearInterval(timer);
      timer = null;
      button.textContent = "Play";
      words.setAttribute("aria-live", "polite");
    };
    const step = () => {
      if (Number(input.value) >= Number(input.max)) return stop();
      input.stepUp();
      input.dispatchEvent(new Event("input", { bubbles: true }));
    };
    button.type = "button";
    button.textContent = "Play";
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (Number(input.value) >= Number(input.max)) input.value = input.min;
      words.setAttribute("aria-live", "off");
      button.textContent = "Pause";
      timer = setInterval(step, 4000 / Math.max(16, (input.max - input.min) / input.step));
    });
    form.append(button);
  },
};
