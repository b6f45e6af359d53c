/* Drawing for the widgets: one panel of an SVG, as text, with its axes and two scales. */
window.bnlibSvg = {
  /* Return the scales of a panel and the text of its axes. `x`, `y`: { from, to, ticks, label, log }. */
  panel({ left, top, width, height, x, y }) {
    const along = (axis, start, length) => {
      const read = (v) => (axis.log ? Math.log10(v) : v), low = read(axis.from), high = read(axis.to);
      return (v) => Math.round(10 * (start + (length * (read(v) - low)) / (high - low))) / 10;
    };
    const X = along(x, left, width), Y = along(y, top + height, -height), middle = top + height / 2;
    const lines = y.ticks.map((v) => `<path class="grid" d="M${left} ${Y(v)}h${width}"/>`
      + `<text x="${left - 6}" y="${Y(v) + 4}" text-anchor="end">${v}</text>`);
    const marks = x.ticks.map((v) => `<text x="${X(v)}" y="${top + height + 18}" text-anchor="middle">${v}</text>`);
    const frame = `<path class="axis" d="M${left} ${top}v${height}h${width}"/>`;
    const labels = `<text x="${left + width / 2}" y="${top + height + 38}" text-anchor="middle">${x.label}</text>`
      + `<text transform="translate(${left - 40} ${middle}) rotate(-90)" text-anchor="middle">${y.label}</text>`;
    return { X, Y, text: [...lines, ...marks, frame, labels].join("") };
  },

  /* Return a line through points, and a mark at each when a shape is named. */
  line(points, className, shape = "") {
    const path = `<path class="${className}" d="M${points.map((p) => p.join(" ")).join("L")}"/>`;
    const mark = { circle: "a4 4 0 1 0 8 0a4 4 0 1 0-8 0", square: "m0-4h8v8h-8z", diamond: "m-1 0l5-5l5 5l-5 5z",
                   triangle: "m-1 4l5-9l5 9z", hexagon: "l2-4h4l2 4l-2 4h-4z" }[shape];
    return path + (mark ? `<path class="${className} mark" d="${points.map(([a, b]) => `M${a - 4} ${b}${mark}`).join("")}"/>` : "");
  },

  /* Return a colour of the scale viridis at a number between 0 and 1. */
  viridis(share) {
    const stops = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121],
                   [109, 205, 89], [180, 222, 44], [253, 231, 37]];
    const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1), i = Math.min(Math.floor(at), stops.length - 2);
    return `rgb(${stops[i].map((c, j) => Math.round(c + (at - i) * (stops[i + 1][j] - c))).join(" ")})`;
  },
};
