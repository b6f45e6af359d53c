/* A cone on its way through the cheapest linear network, and whether each layer can turn it into the quadrant. */
bnlibWidgets.add("cone", {
  knobs: {
    layer: { label: "layer l of 16", min: 0, max: 16, step: 1, start: 8 },
    opening: { label: "opening", min: 10, max: 150, step: 5, start: 80, say: (degrees) => `${degrees}\u00b0` },
    factor: { label: "second singular value", min: -3, max: 3, step: 0.25, start: 2, of: (power) => 2 ** power, say: (q) => q.toPrecision(3) },
  },
  play: "layer",
  LAYERS: 16,

  numbers: {
    /* Return the opening of the cone |x_2| <= x_1 tan(opening / 2) behind diag(1, factor) to the power share. */
    opening: (opening, factor, share) => (360 / Math.PI) * Math.atan(factor ** share * Math.tan((opening * Math.PI) / 360)),
    /* Return the image of a point in a hidden layer: diag(1, factor) to the power share, then an eighth of a turn. */
    hidden: ([a, b], factor, share) => [(a - factor ** share * b) * Math.SQRT1_2, (a + factor ** share * b) * Math.SQRT1_2],
    /* List the hidden layers whose cone is wider than the quadrant. */
    wide(opening, factor, depth) {
      return Array.from({ length: depth - 1 }, (_, i) => i + 1).filter((l) => this.opening(opening, factor, l / depth) > 90 + 1e-9);
    },
  },

  draw({ layer, opening, factor }, width) {
    const { LAYERS: L, numbers } = this, share = layer / L, now = numbers.opening(opening, factor, share);
    const wide = numbers.wide(opening, factor, L), end = layer === 0 || layer === L, frames = bnlibWidgets.frames(width, 2);
    const left = bnlibWidgets.panel(frames[0], {
      title: "opening in degrees", x: [0, L], y: [0, 180], xlabel: "layer l", xticks: [0, 4, 8, 12, 16], yticks: [0, 45, 90, 135, 180],
    });
    const curve = Array.from({ length: L + 1 }, (_, l) => [l, numbers.opening(opening, factor, l / L)]);
    left.line([[0, 90], [L, 90]], "ink dotted");
    left.line(curve, "grey");
    left.dots(curve.slice(1, L).filter(([l]) => !wide.includes(l)), "dot c0");
    left.dots(curve.slice(1, L).filter(([l]) => wide.includes(l)), "dot c1");
    left.dots([[layer, now]], "ring ink", 7);
    const right = bnlibWidgets.panel(frames[1], {
      title: layer === 0 ? "inputs" : end ? "outputs" : `layer ${layer}, turned`, x: [-0.75, 1.25], y: [-0.75, 1.25], square: true,
      xticks: [[0, "0"]], yticks: [[0, "0"]], xlabel: layer === 0 ? "first input" : end ? "first output" : "first neuron",
    });
    const middle = end ? 0 : 45, ray = (degrees, r = 1.15) => [r * Math.cos((degrees * Math.PI) / 180), r * Math.sin((degrees * Math.PI) / 180)];
    const arc = (from, to) => [[0, 0], ...Array.from({ length: 33 }, (_, i) => ray(from + ((to - from) * i) / 32))];
    const [low, high] = [middle - now / 2, middle + now / 2], kept = end ? [low, high] : [Math.max(low, 0), Math.min(high, 90)];
    right.area(arc(...kept), "c0");
    if (kept[0] > low) right.area(arc(low, kept[0]), "c1");
    if (kept[1] < high) right.area(arc(kept[1], high), "c1");
    right.line([ray(low), [0, 0], ray(high)], kept[0] > low ? "c1" : "c0");
    if (!end) right.line([[0, 1.25], [0, 0], [1.25, 0]], "ink wide");
    // Points of the cone, and where a ReLU would move those outside the quadrant.
    const edge = Math.tan((opening * Math.PI) / 360), rows = [0.35, 0.7, 1].flatMap((a) => [-0.9, -0.45, 0, 0.45, 0.9].map((b) => [a, a * b * edge]));
    const images = rows.map(([a, b]) => (end ? [a, factor ** share * b] : numbers.hidden([a, b], factor, share)));
    const scale = 1 / Math.max(...images.map(([a, b]) => Math.hypot(a, b)));
    for (const [a, b] of images.map((point) => point.map((v) => v * scale))) {
      const out = !end && Math.min(a, b) < -1e-9;
      if (out) right.line([[a, b], [Math.max(a, 0), Math.max(b, 0)]], "c1 thin");
      right.dots([[a, b]], `dot ${out ? "c1" : "c0"}`, 3.5);
    }
    const here = layer === 0 ? `The inputs fill a cone of ${opening}\u00b0.` : `${end ? "At the output" : `In layer ${layer} of ${L}`} the cone of ${opening}\u00b0 has become one of ${now.toFixed(1)}\u00b0.`;
    const fits = end ? "No ReLU acts here." : wide.includes(layer) ? "It is wider than the quadrant, so a ReLU would change the map." : "An isometry turns it into the quadrant, where a ReLU changes nothing.";
    const all = wide.length === 0 ? `All ${L - 1} hidden layers fit: a ReLU network attains the linear cost.`
      : `${wide.length} of the ${L - 1} hidden layers ${wide.length > 1 ? "do" : "does"} not fit: no ReLU network attains the linear cost.`;
    return { svg: bnlibWidgets.drawing(width, frames, [left, right]), words: `${here} ${fits} ${all}` };
  },
});
