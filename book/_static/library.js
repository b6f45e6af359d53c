// The whole library once stood on one page: an address that names a function there leads to the page of its room.
"use strict";
(() => {
  const asked = decodeURIComponent(location.hash.slice(1)).replace(/^module-/, "");
  if (!asked.startsWith("bnlib.") || document.getElementById(location.hash.slice(1))) return;
  const parts = asked.split(".");
  for (let length = parts.length; length > 1; length--) {
    const module = `#module-${parts.slice(0, length).join(".")}`;
    const link = [...document.querySelectorAll("article a")].find((a) => a.hash === module && a.pathname !== location.pathname);
    if (link) {
      location.replace(link.href.replace(module, location.hash));
      return;
    }
  }
})();
