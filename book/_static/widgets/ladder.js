/* The ladder of learning rates: sharpness over time against the limit 2 over the rate, from stored trainings. */
bnlibWidgets.add("ladder", {
  knobs: {
    rate: { label: "learning rate", min: 0, max: 4, step: 1, start: 2, of: (i) => bnlibLadder.records[i].rate },
    time: { label: "time", min: 0, max: bnlibLadder.times.length - 1, step: 1, start: bnlibLadder.times.length - 1, of: (i) => bnlibLadder.times[i] },
    group: { label: "trained with", options: ["no ridge", "ridge"] },
  },
  play: "time",

  numbers: {
    /* Return the sharpness of the living networks of one rate and group at one time. */
    living: (rate, group, time) => bnlibLadder.records.find((r) => r.rate === rate).sharpness[group].map((seed) => seed[bnlibLadder.times.indexOf(time)]).filter((s) => s !== null),
    median(values) {
      const sorted = [...values].sort((a, b) => a - b), half = sorted.length / 2;
      return sorted.length === 0 ? null : (sorted[Math.floor(half - 0.5)] + sorted[Math.ceil(half - 0.5)]) / 2;
    },
  },

  draw({ rate, time, group }, width) {
    const { times, records } = bnlibLadder, { numbers } = this, frames = bnlibWidgets.frames(width, 2), limit = 2 / rate;
    const start = times[1] / 2, place = (t) => Math.max(t, start); // the start stands at the left end of a logarithmic axis
    const y = { y: [4, 450], yticks: [5, 10, 20, 50, 100, 200, 400], log: "xy" };
    const left = bnlibWidgets.panel(frames[0], { ...y, title: `sharpness at rate ${rate}; limit ${Number(limit.toPrecision(3))}`, x: [start, 450], xlabel: "time", xticks: [[start, "0"], 1, 10, 100] });
    const middle = (group, upto) => times.filter((t) => t <= upto).map((t) => [place(t), numbers.median(numbers.living(rate, group, t))]).filter(([, s]) => s !== null);
    for (const seed of records.find((r) => r.rate === rate).sharpness[group])
      left.line(seed.map((s, i) => [place(times[i]), s]).filter(([t, s]) => s !== null && t <= place(time)), "c0 thin");
    left.line([[start, limit], [450, limit]], "ink dotted");
    left.line(middle(group, time), "c0 wide");
    const right = bnlibWidgets.panel(frames[1], { ...y, title: `sharpness at time ${time}`, x: [0.008, 0.2], xlabel: "learning rate \u03b7", xticks: records.map((r) => [r.rate, String(r.rate)]) });
    right.line([[0.008, 250], [0.2, 10]], "ink dotted");
    const ladder = records.map((r) => [r.rate, numbers.living(r.rate, group, time)]);
    for (const [at, values] of ladder) right.dots(values.map((s) => [at, s]), "dot grey", 3);
    right.line(ladder.map(([at, values]) => [at, numbers.median(values)]).filter(([, s]) => s !== null), "c0");
    const living = numbers.living(rate, group, time), now = numbers.median(living), seeds = records[0].sharpness[group].length;
    if (now !== null) [left, right].forEach((panel, i) => panel.dots([[i ? rate : place(time), now]], "ring c1", 7));
    const dead = seeds - living.length, gone = dead ? ` ${dead} of ${seeds} networks ${dead > 1 ? "have" : "has"} died and ${dead > 1 ? "are" : "is"} left out.` : "";
    const words = `Rate ${rate}, ${group}, time ${time}: the limit 2/\u03b7 is ${Number(limit.toPrecision(3))}. `
      + (now === null ? "" : `The median sharpness of ${living.length} networks is ${now.toPrecision(3)}, which is ${(now / limit).toFixed(2)} of the limit.`) + gone;
    return { svg: bnlibWidgets.drawing(width, frames, [left, right]), words };
  },
});
