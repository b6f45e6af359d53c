/* Train a small ReLU network in plain JavaScript: data, start, gradient, a step of Adam, singular values.

The whole of it is one function without free names, so that its text makes a worker: a page on disk may not load one
from a file. Matrices stand by rows in one Float64Array; data stand in columns, one array per layer. */
function bnlibTrainer() {
  const OPTIONS = { depth: 10, width: 12, points: 80, ridge: 0.02, rank: 2, inputs: 4, seed: 0,
                    rate: 5e-3, warmup: 300, flat: 9000, tail: 3000 }; // steps of Adam: rising, constant and falling rate
  const B1 = 0.9, B2 = 0.99, TINY = 1e-8, REBALANCE = 10, FLOOR = 1e-12;
  const LAST = 1000, DECREASE = 1e-3, IMBALANCE = 1e-2; // when a training has converged

  /* Return a stream of uniform numbers in (0, 1) and of normal ones: the generator mulberry32. */
  function random(seed) {
    let state = (seed * 2654435761 + 12345) >>> 0;
    const uniform = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
    };
    return { uniform, normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()) };
  }

  /* Draw inputs uniformly from a cube. The targets see the first one or two coordinates. Columns are points. */
  function task({ points, inputs, rank, seed }) {
    const { uniform } = random(1000 + seed), X = Float64Array.from({ length: inputs * points }, () => 2 * uniform() - 1);
    const s = X.subarray(0, points), t = X.subarray(points, 2 * points);
    const two = rank > 1, { sin, cos, PI } = Math;
    const rows = [(a) => a, (a, b) => (two ? b : a * a), (a, b) => (two ? a * b : a ** 3), (a) => 0.7 * sin(PI * a),
                  (a, b) => 0.7 * cos(PI * (two ? b : a))];
    const Y = new Float64Array(rows.length * points);
    rows.forEach((row, i) => { for (let n = 0; n < points; n++) Y[i * points + n] = row(s[n], t[n]); });
    let variance = 0; // scaled to the rank
    for (let i = 0; i < rows.length; i++) {
      const row = Y.subarray(i * points, (i + 1) * points), mean = row.reduce((a, b) => a + b) / points;
      for (let n = 0; n < points; n++) variance += (row[n] -= mean) ** 2 / points;
    }
    return { X, Y: Y.map((y) => y * Math.sqrt(rank / variance)), inputs, outputs: rows.length, points, rank };
  }

  /* Return the shapes of the layers, and where their weights and biases begin. */
  function layout(depth, width, inputs, outputs) {
    const layers = [];
    let end = 0;
    for (let l = 0; l < depth; l++) {
      const rows = l === depth - 1 ? outputs : width, columns = l === 0 ? inputs : width;
      layers.push({ rows, columns, W: end, b: end + rows * columns });
      end += rows * (columns + 1);
    }
    return { layers, size: end };
  }

  /* Draw every weight matrix as the root of two times a matrix with orthonormal rows or columns; biases are zero. */
  function start({ layers, size }, seed) {
    const theta = new Float64Array(size), { normal } = random(seed);
    for (const { rows, columns, W } of layers) {
      const tall = rows >= columns, length = Math.max(rows, columns), count = Math.min(rows, columns), basis = [];
      while (basis.length < count) {
        const v = Float64Array.from({ length }, normal);
        for (let twice = 0; twice < 2; twice++)
          for (const u of basis) {
            const along = u.reduce((sum, x, i) => sum + x * v[i], 0);
            for (let i = 0; i < length; i++) v[i] -= along * u[i];
          }
        const norm = Math.hypot(...v);
        basis.push(v.map((x) => x / norm));
      }
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) theta[W + i * columns + j] = Math.SQRT2 * (tall ? basis[j][i] : basis[i][j]);
    }
    return theta;
  }

  /* Return the mean squared error, and add its gradient to `gradient`; `store` keeps the arrays of every layer. */
  function risk({ layers }, { X, Y, points: N }, theta, gradient, store) {
    let h = X;
    for (const [l, { rows, columns, W, b }] of layers.entries()) {
      const z = store[l].z, hidden = l < layers.length - 1;
      for (let i = 0; i < rows; i++) {
        const out = z.subarray(i * N, (i + 1) * N).fill(theta[b + i]);
        for (let j = 0; j < columns; j++) {
          const w = theta[W + i * columns + j], at = j * N;
          for (let n = 0; n < N; n++) out[n] += w * h[at + n];
        }
        if (hidden) for (let n = 0; n < N; n++) if (out[n] < 0) out[n] = 0;
      }
      h = z;
    }
    let loss = 0, g = store[layers.length - 1].g;
    for (let k = 0; k < Y.length; k++) {
      const error = h[k] - Y[k];
      loss += (error * error) / N;
      g[k] = (2 * error) / N;
    }
    for (let l = layers.length - 1; l >= 0; l--) {
      const { rows, columns, W, b } = layers[l], below = l ? store[l - 1].z : X, down = l ? store[l - 1].g.fill(0) : null;
      for (let i = 0; i < rows; i++) {
        const from = i * N;
        let sum = 0;
        for (let n = 0; n < N; n++) sum += g[from + n];
        gradient[b + i] += sum;
        for (let j = 0; j < columns; j++) {
          const at = j * N, w = theta[W + i * columns + j];
          let dot = 0;
          for (let n = 0; n < N; n++) dot += g[from + n] * below[at + n];
          gradient[W + i * columns + j] += dot;
          if (down) for (let n = 0; n < N; n++) down[at + n] += w * g[from + n];
        }
      }
      if (down) for (let k = 0; k < down.length; k++) if (below[k] <= 0) down[k] = 0;
      g = down;
    }
    return loss;
  }

  /* Return the squared norms into and out of every hidden neuron, by layer; biases count as incoming. */
  function norms({ layers }, theta) {
    return layers.slice(1).map((next, l) => {
      const { rows, columns, W, b } = layers[l], into = new Float64Array(rows), out = new Float64Array(rows);
      for (let i = 0; i < rows; i++) {
        into[i] = theta[b + i] ** 2;
        for (let j = 0; j < columns; j++) into[i] += theta[W + i * columns + j] ** 2;
        for (let k = 0; k < next.rows; k++) out[i] += theta[next.W + k * next.columns + i] ** 2;
      }
      return { into, out };
    });
  }

  /* Return the largest difference of both norms of a neuron, relative to the largest squared norm. */
  function imbalance(shape, theta) {
    let apart = 0, largest = 0;
    for (const { into, out } of norms(shape, theta))
      for (let i = 0; i < into.length; i++) {
        apart = Math.max(apart, Math.abs(into[i] - out[i]));
        largest = Math.max(largest, into[i]);
      }
    return largest ? apart / largest : 0;
  }

  /* Multiply what comes into the neurons of a hidden layer by factors, and what goes out by their inverses. */
  function rescale({ layers }, l, factors, vector, power) {
    const { rows, columns, W, b } = layers[l], next = layers[l + 1];
    for (let i = 0; i < rows; i++) {
      const t = factors[i] ** power;
      vector[b + i] *= t;
      for (let j = 0; j < columns; j++) vector[W + i * columns + j] *= t;
      for (let k = 0; k < next.rows; k++) vector[next.W + k * next.columns + i] /= t;
    }
  }

  /* Balance odd, then even layers; the moments of Adam are of gradients, which scale inversely to the parameters. */
  function rebalance(shape, theta, m, v) {
    for (const parity of [0, 1])
      norms(shape, theta).forEach(({ into, out }, l) => {
        if (l % 2 !== parity) return;
        const factors = into.map((a, i) => (Math.min(a, out[i]) > FLOOR ? (out[i] / a) ** 0.25 : 1));
        for (const [vector, power] of [[theta, 1], [m, -1], [v, -2]]) rescale(shape, l, factors, vector, power);
      });
  }

  /* Return the singular values of a matrix by rows, decreasing: rotations make its columns orthogonal (Jacobi). */
  function singularValues(matrix, rows, columns) {
    const wide = columns > rows, length = wide ? columns : rows, count = wide ? rows : columns;
    const A = Array.from({ length: count }, (_, j) =>
      Float64Array.from({ length }, (_, i) => matrix[wide ? j * columns + i : i * columns + j]));
    for (let sweep = 0, turned = true; turned && sweep < 60; sweep++) {
      turned = false;
      for (let p = 0; p < count; p++)
        for (let q = p + 1; q < count; q++) {
          let a = 0, b = 0, c = 0;
          for (let i = 0; i < length; i++) { a += A[p][i] ** 2; b += A[q][i] ** 2; c += A[p][i] * A[q][i]; }
          if (Math.abs(c) <= 1e-15 * Math.sqrt(a * b)) continue;
          turned = true;
          const z = (b - a) / (2 * c), t = (z < 0 ? -1 : 1) / (Math.abs(z) + Math.sqrt(1 + z * z));
          const cos = 1 / Math.sqrt(1 + t * t), sin = t * cos;
          for (let i = 0; i < length; i++)
            [A[p][i], A[q][i]] = [cos * A[p][i] - sin * A[q][i], sin * A[p][i] + cos * A[q][i]];
        }
    }
    return A.map((column) => Math.hypot(...column)).sort((x, y) => y - x);
  }

  /* Read the rank off the middle third of the layers: the number of values above one half. It is decided as in the
     book: all these layers agree, the least gap is one half, and a middle representation lies within a tenth of it. */
  function rankOf(spectra, representations) {
    const third = Math.floor(spectra.length / 3), middle = spectra.slice(third, spectra.length - third);
    const counts = middle.map((values) => values.filter((s) => s > 0.5).length), votes = [];
    for (const count of counts) votes[count] = (votes[count] || 0) + 1;
    const rank = votes.findIndex((n) => n === Math.max(...votes.filter(Boolean)));
    const gap = Math.min(...middle.map((s) => (rank ? s[rank - 1] : 1) - (s[rank] || 0)));
    const off = representations.slice(third, spectra.length - third).map((s) => Math.hypot(...s.slice(rank)) / (Math.hypot(...s) || 1));
    return { rank, gap, decided: counts.every((count) => count === rank) && gap >= 0.5 && Math.min(...off) <= 0.1 };
  }

  /* Return a training that can be asked for steps and for what it has reached. */
  function create(options) {
    const o = { ...OPTIONS, ...options }, data = task(o), shape = layout(o.depth, o.width, data.inputs, data.outputs);
    const theta = start(shape, o.seed), [gradient, m, v] = [0, 1, 2].map(() => new Float64Array(shape.size));
    const store = shape.layers.map(({ rows }) => ({ z: new Float64Array(rows * o.points), g: new Float64Array(rows * o.points) }));
    const total = o.warmup + o.flat + o.tail, history = [];

    /* Return the mean squared error and the squared norm; the gradient is that of their sum with the ridge. */
    const evaluate = () => {
      let squaredNorm = 0;
      gradient.fill(0);
      const loss = risk(shape, data, theta, gradient, store);
      for (let k = 0; k < theta.length; k++) {
        squaredNorm += theta[k] ** 2;
        gradient[k] += 2 * o.ridge * theta[k];
      }
      return { loss, squaredNorm, objective: loss + o.ridge * squaredNorm };
    };
    const finished = () => history.length >= total || !Number.isFinite(history[history.length - 1] ?? 0);
    const advance = () => {
      history.push(evaluate().objective);
      const t = history.length, m1 = 1 - B1 ** t, v1 = 1 - B2 ** t;
      const rate = o.rate * Math.min(1, t / o.warmup, 0.01 ** ((t - o.warmup - o.flat) / o.tail));
      for (let k = 0; k < theta.length; k++) {
        m[k] = B1 * m[k] + (1 - B1) * gradient[k];
        v[k] = B2 * v[k] + (1 - B2) * gradient[k] ** 2;
        theta[k] -= (rate * m[k]) / m1 / (Math.sqrt(v[k] / v1) + TINY);
      }
      if (t % REBALANCE === 0) rebalance(shape, theta, m, v);
    };
    const report = () => {
      const reached = evaluate(), spectra = shape.layers.map((a) => singularValues(theta.subarray(a.W, a.b), a.rows, a.columns));
      const seen = store.slice(0, -1).map(({ z }) => singularValues(z, o.width, o.points));
      const decrease = (history[history.length - LAST] - reached.objective) / reached.objective; // NaN before
      const balance = imbalance(shape, theta);
      return { ...reached, ...rankOf(spectra, seen), options: o, step: history.length, total, spectra, decrease, imbalance: balance,
               converged: Math.abs(decrease) <= DECREASE && balance <= IMBALANCE, collapsed: reached.loss > 0.99 * o.rank,
               finished: finished(), curve: history.filter((_, t) => t % 50 === 0) };
    };
    return { options: o, data, shape, theta, gradient, moments: { m, v }, history, evaluate, advance, finished, report };
  }

  /* Answer the messages `reset`, with options, `run`, with the milliseconds between two reports, and `pause`. */
  function serve(post) {
    let training = null, running = null;
    const tell = () => post({ ...training.report(), running: running !== null });
    const work = (slice) => {
      const end = Date.now() + slice;
      while (Date.now() < end && !training.finished()) training.advance();
      running = training.finished() ? null : setTimeout(work, 0, slice);
      tell();
    };
    return ({ data: { kind, options, slice } }) => {
      clearTimeout(running);
      running = null;
      if (kind === "reset") training = create(options);
      if (kind === "run") work(slice);
      else tell();
    };
  }
  return { create, layout, norms, imbalance, rebalance, singularValues, rankOf, serve };
}
if (typeof module !== "undefined") module.exports = bnlibTrainer;
