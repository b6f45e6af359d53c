/* The training set in every layer of one network, each projected to its leading plane. */
document.addEventListener("DOMContentLoaded", () => {
  const { frames, colours } = window.bnlibCloud, last = frames.length - 1;
  const name = ({ layer }) => ({ 0: "input", [last]: "output" })[layer] || `layer ${layer} of ${last}`;
  bnlibFilm(document.getElementById("cloud"), {
    frames, colours, name, range: { x: [-1, 1], y: [-1, 1] },
    say: (frame) => `${name(frame)[0].toUpperCase()}${name(frame).slice(1)}: the plane holds ${(100 * frame.share).toFixed(1)} % of the variance.`,
  });
});
