/* Load what a widget needs when its place comes near, so that the page opens at once. */
{
  const folder = new URL(".", document.currentScript.src), asked = new Map();
  const fetched = (name) => {
    if (!asked.has(name)) {
      const script = document.createElement("script");
      script.src = new URL(`${name}.js`, folder);
      script.async = false; // in the order in which they are asked for
      asked.set(name, new Promise((done) => script.addEventListener("load", done)));
      document.body.append(script);
    }
    return asked.get(name);
  };
  const near = new IntersectionObserver((seen) => {
    for (const { target: box, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(box);
      const names = ["draw", ...(box.dataset.with ? [box.dataset.with] : []), box.dataset.widget];
      Promise.all(names.map(fetched)).then(() => bnlibWidgets.start(box));
    }
  }, { rootMargin: "300px" });
  addEventListener("load", () => document.querySelectorAll(".live-figure").forEach((box) => near.observe(box)));
}
