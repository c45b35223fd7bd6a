"use strict";
// One script for both kinds of page: each part does nothing where its elements are absent.

// Overlay on and off; what belongs to a task is shown strongly while its row is pointed at,
// focused, or pinned by a click.
{
  const figure = document.getElementById("figure");
  const overlay = document.getElementById("overlay");
  if (figure && overlay) {
    overlay.addEventListener("change", () => figure.classList.toggle("bare", !overlay.checked));
    const rows = [...document.querySelectorAll("[data-tasks]")];
    const parts = [...figure.querySelectorAll("[data-task]")];
    let pinned = null;
    const show = (row) => {
      const tasks = row ? row.dataset.tasks.split(" ") : [];
      const chosen = parts.filter((part) => tasks.includes(part.dataset.task));
      parts.forEach((part) => part.classList.toggle("chosen", chosen.includes(part)));
      figure.classList.toggle("choosing", chosen.length > 0);
      rows.forEach((other) => other.classList.toggle("pinned", other === pinned));
    };
    rows.forEach((row) => {
      row.addEventListener("mouseenter", () => show(row));
      row.addEventListener("mouseleave", () => show(pinned));
      row.addEventListener("focus", () => show(row));
      row.addEventListener("blur", () => show(pinned));
      const pin = () => { pinned = pinned === row ? null : row; show(pinned); };
      row.addEventListener("click", pin);
      row.addEventListener("keydown", (event) => { if (event.key === "Enter") pin(); });
    });
  }
}

// Sorting of the index.
{
  const table = document.getElementById("runs");
  const heads = table ? [...table.querySelectorAll("th[data-sort]")] : [];
  heads.forEach((head) => {
    const sort = () => {
      const key = head.dataset.sort;
      const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const body = table.tBodies[0];
      const compare = (a, b) =>
        a.dataset[key].localeCompare(b.dataset[key], undefined, { numeric: true });
      const rows = [...body.rows].sort((a, b) => compare(a, b) * (order === "ascending" ? 1 : -1));
      body.append(...rows);
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
}
