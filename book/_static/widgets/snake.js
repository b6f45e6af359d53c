/* A snake through a grid of n times n points: its code, a segment of inputs, and the curve of all its values. */
bnlibWidgets.add("snake", {
  knobs: {
    n: { label: "points a side, n", min: 2, max: 12, step: 1, start: 4 },
    share: { label: "way along the code", min: 0, max: 100, step: 1, start: 45, of: (percent) => percent / 100, say: (share) => `${Math.round(100 * share)} %` },
  },
  play: "share",
  COLOURS: ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"],

  /* The two snakes of bnlib: along the rows of a grid, and through the centres of cells. Both have one knot per turn. */
  numbers: {
    rows: {
      /* List the code and the place of each corner. */
      knots: (n) => Array.from({ length: 2 * n }, (_, i) => {
        const row = Math.floor(i / 2);
        return [row * (1 + 1 / n) + (i % 2), [(i + row) % 2, row / n]];
      }),
      points: (n) => Array.from({ length: n * n }, (_, i) => [(Math.floor(i / n) % 2 ? n - 1 - (i % n) : i % n) / (n - 1), Math.floor(i / n) / n]),
      code(n, [u, v]) {
        let g = u + v;
        for (let j = 0; j < n - 1; j++) g += 2 * (Math.max(n * v - j - (j % 2 ? 1 - u : u), 0) - Math.max(n * v - j - 1, 0));
        return g;
      },
      top: (n) => (n - 1) / n,
    },
    cells: {
      knots: (n) => Array.from({ length: 2 * n }, (_, i) => {
        const row = Math.floor(i / 2), reach = i % 2 ? (n - 3 / 8) / n : 3 / 8 / n;
        return [row + 0.5 + reach, [row % 2 ? 1 - reach : reach, (row + 0.5) / n]];
      }),
      points: (n) => Array.from({ length: n * n }, (_, i) => [((Math.floor(i / n) % 2 ? n - 1 - (i % n) : i % n) + 0.5) / n, (Math.floor(i / n) + 0.5) / n]),
      code(n, [u, v]) {
        let wave = 0;
        for (let j = 0; j < n - 1; j++)
          for (const e of [0, 1]) wave += (((j + e) % 2 ? -1 : 1) * n * Math.max(v - (j + 0.5 + (e ? 7 / 8 : 1 / 8)) / n, 0)) / 0.75;
        return Math.abs(u - wave) + n * v;
      },
      top: () => 1,
    },
    /* Return the value of the snake at a code. */
    curve(kind, n, t) {
      const knots = this[kind].knots(n), i = knots.findIndex(([at]) => at >= t);
      if (i <= 0) return knots.at(i)[1]; // it stands still before its first corner and behind its last
      const [[a, p], [b, q]] = [knots[i - 1], knots[i]];
      return [0, 1].map((c) => p[c] + ((t - a) / (b - a)) * (q[c] - p[c]));
    },
    /* Return the part of the curve between two codes. */
    part(kind, n, from, to) {
      const inner = this[kind].knots(n).filter(([t]) => t > from && t < to).map(([, p]) => p);
      return [this.curve(kind, n, from), ...inner, this.curve(kind, n, to)];
    },
    length: (path) => path.slice(1).reduce((sum, p, i) => sum + Math.hypot(p[0] - path[i][0], p[1] - path[i][1]), 0),
    shortest: (n) => (n * n - 1) / n,
    bound(kind, n) { return 2 * Math.log(this.shortest(n) / Math.hypot(1, this[kind].top(n))); },
  },

  /* Shade the square by its code, paler where it is not yet passed: rows of cells, joined where they look alike. */
  shade(kind, n, first, last, t) {
    const { code, top } = this.numbers[kind], side = 60, cells = [];
    for (let j = 0; j < side; j++) {
      let run = null;
      const [low, high] = [(top(n) * j) / side, (top(n) * (j + 1)) / side];
      for (let i = 0; i < side; i++) {
        const g = code(n, [(i + 0.5) / side, (low + high) / 2]), rise = Math.min(Math.max((g - first) / (last - first), 0), 0.999);
        const fill = this.COLOURS[Math.floor(rise * this.COLOURS.length)], opacity = g <= t ? 1 : 0.35;
        if (run && run[4] === fill && run[5] === opacity) run[2] = (i + 1) / side;
        else cells.push((run = [i / side, low, (i + 1) / side, high, fill, opacity]));
      }
    }
    return cells;
  },

  draw({ n, share, kind = "rows" }, width) {
    const { numbers } = this, snake = numbers[kind], points = snake.points(n), codes = points.map((p) => snake.code(n, p));
    const [first, last] = [codes[0], codes.at(-1)], t = first + share * (last - first), passed = codes.map((c) => c <= t + 1e-9);
    const along = (a) => [0, 1].map((c) => points[0][c] + a * (points.at(-1)[c] - points[0][c]));
    const samples = Array.from({ length: 2001 }, (_, i) => along(i / 2000)), here = samples.find((p) => snake.code(n, p) >= t - 1e-9) ?? points.at(-1);
    const frames = bnlibWidgets.frames(width, 2, 330), square = { x: [-0.04, 1.04], y: [-0.04, 1.04], square: true, xticks: [0, 1], yticks: [0, 1] };
    const left = bnlibWidgets.panel(frames[0], { ...square, title: "inputs, coloured by the code", xlabel: "x\u2081" });
    left.cells(this.shade(kind, n, first, last, t));
    left.dots(points, "pin", 3.5);
    left.line([points[0], points.at(-1)], "c1 wide");
    left.dots([here], "ring ink", 7);
    const right = bnlibWidgets.panel(frames[1], { ...square, title: "values", xlabel: "f\u2081" });
    const whole = numbers.length(numbers.part(kind, n, first, last)), done = numbers.part(kind, n, first, t), gone = numbers.length(done);
    right.line(numbers.part(kind, n, first, last), "grey thin");
    right.line(done, "c1 wide");
    right.dots(points.filter((_, i) => passed[i]), "dot ink", 4);
    right.dots(points.filter((_, i) => !passed[i]), "ring grey", 4);
    right.dots([numbers.curve(kind, n, t)], "ring ink", 8);
    const met = passed.filter(Boolean).length, least = numbers.shortest(n), bound = numbers.bound(kind, n);
    const words = `${n * n} points. At the code ${t.toFixed(2)} of ${last.toFixed(2)} the image of the segment has met ${met} of them and travelled ${gone.toFixed(2)} of ${whole.toFixed(2)}. `
      + `No path through all points is shorter than ${least.toFixed(2)}, so a network of depth L that meets them all through one dimension costs at least L + ${bound.toFixed(2)}.`;
    return { svg: bnlibWidgets.drawing(width, frames, [left, right]), words };
  },
});
