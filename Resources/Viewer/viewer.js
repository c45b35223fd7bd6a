// Keys, and which tab the pictures are made for. Run once in every tab.
(() => {
  if (window.wristqc) return;
  window.wristqc = true;

  const KEYS = new Set([
    "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Ctrl+z", "Ctrl+y", "Ctrl+Shift+z", "Ctrl+s",
    "z", "y", ",", ".", "f", "+", "-", "r", "i", "l", "b", "1", "2", "3",
    "a", "n", "Enter",
  ]);
  const ONCE = new Set(["a", "n", "Enter"]); // a key that is held down accepts one image

  window.addEventListener("keydown", (event) => {
    const target = event.target;
    const typing = target.closest?.("input, textarea, [role=listbox], .v-overlay__content");
    if (typing || event.altKey) return;
    let key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) key = `Ctrl+${event.shiftKey ? "Shift+" : ""}${key}`;
    if (!KEYS.has(key)) return;
    // Enter is first of all for what has the focus; the image that is shown needs none.
    const focused = target.closest?.("button, a, .v-chip, .v-list-item");
    const shown = focused?.classList.contains("v-list-item--active");
    if (key === "Enter" && focused && !shown) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat && ONCE.has(key)) return;
    window.trame.trigger("key", [key]);
  }, true);

  const viewOf = (area) => area.parentElement.querySelector(".corners").id.replace("corners-", "");

  // The panel is about the image that somebody works on.
  window.addEventListener("pointerdown", (event) => {
    const area = event.target.closest?.(".remote-controlled-area");
    if (area) window.trame.trigger("activate", [viewOf(area)]);
  }, true);

  // Pictures are made once, for all tabs: in the size of the tab that somebody works in.
  window.addEventListener("focus", () => {
    const session = window.trame.client?.getConnection?.().getSession();
    for (const area of document.querySelectorAll(".remote-controlled-area")) {
      const { width: w, height: h } = area.getBoundingClientRect();
      if (session && w && h) {
        session.call("trame.rca.size", [viewOf(area), "tab", { w, h, p: window.devicePixelRatio }]);
      }
    }
  });
})();
