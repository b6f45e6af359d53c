/* Load the data, the plotting library and the script of the knobs when their place comes near, so that the page opens at once. */
{
  const folder = new URL(".", document.currentScript.src);
  const load = () => {
    for (const name of ["plotly/plotly-basic.min.js", "spectra.js", "knobs.js"]) {
      const script = document.createElement("script");
      script.src = new URL(name, folder);
      script.async = false; // in this order
      document.body.append(script);
    }
  };
  addEventListener("load", () => {
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((place) => place.isIntersecting)) return;
      watch.disconnect();
      load();
    }, { rootMargin: "200px" });
    watch.observe(document.getElementById("knobs-place"));
  });
}
