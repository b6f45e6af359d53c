/* A factor over many layers: what it costs, split evenly or not. */
bnlibWidgets.add("cost", {
  knobs: {
    s: { label: "factor s", min: -1, max: 1.3, step: 0.05, start: 1, of: (power) => 10 ** power, say: (s) => s.toPrecision(3) },
    depth: { label: "layers L", min: 1, max: 24, step: 1, start: 6 },
    tilt: { label: "uneven by", min: -1, max: 1, step: 0.05, start: 0.5, say: (tilt) => tilt.toFixed(2).replace("-", "\u2212") },
  },

  numbers: {
    /* Return single weights, one a layer, with product s; tilt 0 makes them equal. */
    weights: (s, depth, tilt) => Array.from({ length: depth }, (_, i) => s ** (1 / depth) * (depth > 1 ? Math.exp((tilt * (2 * i - depth + 1)) / (depth - 1)) : 1)),
    cost: (weights) => weights.reduce((sum, w) => sum + w * w, 0),
    even: (s, depth) => depth * s ** (2 / depth),
    limit: (s, depth) => depth + 2 * Math.log(s),
  },

  draw({ s, depth, tilt }, width) {
    const { weights, cost, even, limit } = this.numbers, all = weights(s, depth, tilt);
    const mine = cost(all), best = even(s, depth), least = limit(s, depth), end = 2 * Math.log(s);
    const frames = bnlibWidgets.frames(width, 2), top = 1.1 * Math.max(1, ...all.map((w) => w * w));
    const left = bnlibWidgets.panel(frames[0], {
      title: "squared weight of each layer", x: [0.4, depth + 0.6], y: [0, top], xlabel: "layer",
      xticks: all.map((_, i) => i + 1).filter((l) => depth <= 8 || l % 4 === 0), yticks: bnlibWidgets.ticks(0, top),
    });
    all.forEach((w, i) => left.area([[i + 0.65, 0], [i + 0.65, w * w], [i + 1.35, w * w], [i + 1.35, 0]], "c1"));
    left.line([[0.4, best / depth], [depth + 0.6, best / depth]], "c0 dashed");
    const low = Math.min(end, 0) - 1, high = Math.max(end + 5, 1, 1.15 * (mine - depth));
    const right = bnlibWidgets.panel(frames[1], {
      title: "cost less one per layer", x: [1, 24], y: [low, high], xlabel: "layers L", xticks: [1, 6, 12, 18, 24],
      yticks: bnlibWidgets.ticks(low, high),
    });
    const depths = Array.from({ length: 24 }, (_, i) => i + 1);
    right.line([[1, end], [24, end]], "ink dotted");
    right.line(depths.map((L) => [L, even(s, L) - L]), "c0");
    right.dots(depths.map((L) => [L, even(s, L) - L]).filter(([, c]) => c <= high), "dot c0", 2.5);
    right.dots([[depth, best - depth]].filter(([, c]) => c <= high), "dot c0", 5);
    right.dots([[depth, mine - depth]], "dot c1", 5);
    right.text(23.5, end - 0.06 * (high - low), "2 log s", "small", "end");
    const more = mine - best < 0.005 ? "This is the even split, the cheapest." : `The uneven split costs ${mine.toFixed(2)}, that is ${(mine - best).toFixed(2)} more.`;
    const words = `Factor ${s.toPrecision(3)} over ${depth} layer${depth > 1 ? "s" : ""}. Split evenly, each multiplies by ${(s ** (1 / depth)).toPrecision(4)} `
      + `and the cost is ${best.toFixed(2)}. ${more} The bound L + 2 log s is ${least.toFixed(2)}.`;
    return { svg: bnlibWidgets.drawing(width, frames, [left, right]), words };
  },
});
