/* The bottleneck of an infinitely wide network, in two dimensions, at several steps of its training. */
document.addEventListener("DOMContentLoaded", () => {
  const { frames, colours } = window.bnlibPoints, all = frames.flatMap(({ points }) => points);
  const ends = [0, 1].map((i) => [Math.min(...all.map((p) => p[i])), Math.max(...all.map((p) => p[i]))]);
  const half = Math.max(...ends.map(([low, high]) => high - low)) / 2; // the same scale both ways
  const [x, y] = ends.map(([low, high]) => [(low + high) / 2 - half, (low + high) / 2 + half]);
  bnlibFilm(document.getElementById("points"), {
    frames, colours, range: { x, y }, name: ({ step }) => `step ${step}`,
    say: ({ step, loss, alignment }) => `Step ${step}: the loss is ${(100 * loss).toPrecision(2)} % of the first one, and the alignment of the `
      + `points with the target is ${alignment.toFixed(2)}.`,
  });
});
