"use strict";

// ---------------------------------------------------------------- tables sort by a click, or by Enter, on a column's name

const UNITS = JSON.parse(document.querySelector("main").dataset.units); // symbol → size, so that seconds come before minutes
const COLLATOR = new Intl.Collator(document.documentElement.lang, { numeric: true });
const NUMBER = /^(?:p\s*)?[<>=≤≥≈~±×\s]*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(.*)$/i;
const AFTER_NUMBER = /^(?:[[(±×%٪]|$)/; // an interval, a remark, a sign; any word that is no unit makes a text of the cell

function latin(text) {
  return text
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
    .replace(/[۰-۹]/g, (digit) => digit.charCodeAt(0) - 0x6f0)
    .replace(/٫/g, ".")
    .replace(/(?<=\d)[,٬](?=\d{3})/g, "")
    .replace(/−/g, "-")
    .trim();
}

function key(cell) {
  const text = cell ? latin(cell.textContent) : "";
  if (/^[-–—]?$/.test(text)) return { missing: true };
  const [, digits, rest] = NUMBER.exec(text) ?? [];
  if (digits === undefined) return { text };
  const [unit] = /^\p{L}*/u.exec(rest);
  const size = unit in UNITS ? UNITS[unit] : 1;
  return { text, number: unit in UNITS || AFTER_NUMBER.test(rest) ? Number(digits) * size : undefined };
}

function sort(table, header) {
  const body = table.tBodies[0];
  const turn = { none: "ascending", ascending: "descending", descending: "none" }[header.ariaSort ?? "none"];
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  if (turn !== "none") header.ariaSort = turn;
  const rows = [...body.rows].map((row) => ({ row, ...key(row.cells[header.cellIndex]) }));
  const numeric = rows.every(({ missing, number }) => missing || number !== undefined);
  const sign = turn === "descending" ? -1 : 1;
  rows.sort((one, two) => {
    const place = one.row.dataset.place - two.row.dataset.place;
    if (turn === "none") return place;
    if (one.missing || two.missing) return (one.missing ?? false) - (two.missing ?? false) || place;
    return sign * (numeric ? one.number - two.number : COLLATOR.compare(one.text, two.text)) || place;
  });
  body.append(...rows.map(({ row }) => row));
}

for (const table of document.querySelectorAll(".table > table")) {
  const rows = table.tBodies[0]?.rows ?? [];
  if (rows.length < 2) continue;
  [...rows].forEach((row, place) => (row.dataset.place = place));
  for (const header of table.tHead.querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...[...header.childNodes].filter(({ nodeName }) => nodeName !== "A")); // a citation stays a link of its own
    button.addEventListener("click", () => sort(table, header));
    header.prepend(button);
  }
}

// ---------------------------------------------------------------- what does not scroll need not be stopped at by the keyboard

const scrolling = new ResizeObserver((entries) => {
  for (const { target } of entries) target.tabIndex = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight ? 0 : -1;
});
for (const region of document.querySelectorAll(".table, .drawing, pre")) scrolling.observe(region);

// ---------------------------------------------------------------- contents: folded where they would push the text away, and where we are

const contents = document.querySelector(".contents");
if (contents) {
  const beside = () => getComputedStyle(contents).position === "fixed";
  contents.querySelector("details").open = beside();
  const links = [...contents.querySelectorAll("a")];
  const places = links.map((link) => document.getElementById(link.hash.slice(1)));
  const mark = () => {
    const here = places.findLastIndex((place) => place.getBoundingClientRect().top < innerHeight / 3);
    links.forEach((link, number) => (link.ariaCurrent = number === here ? "true" : null));
    if (here >= 0 && beside()) {
      const { offsetTop, offsetHeight } = links[here];
      if (offsetTop < contents.scrollTop || offsetTop + offsetHeight > contents.scrollTop + contents.clientHeight)
        contents.scrollTop = offsetTop - contents.clientHeight / 2;
    }
  };
  let waiting = false;
  addEventListener(
    "scroll",
    () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        mark();
      });
    },
    { passive: true },
  );
  mark();
}
