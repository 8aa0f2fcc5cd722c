"use strict";

// Charts carry no colours: they take those of the style sheet, and again when the reader's theme changes.
function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = {
    gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"),
    automargin: true, fixedrange: true, ticks: "", separatethousands: true, title: { standoff: 8 },
  };
  const errors = { error_x: { color: colour("--text") } };
  const shades = { colorscale: [[0, colour("--surface")], [1, colour("--compressed")]], showscale: false };
  return { data: { bar: [errors], heatmap: [shades] }, layout: {
    colorway: [colour("--original"), colour("--compressed"), colour("--third")],
    font: { family: style.fontFamily, size: 12, color: colour("--muted") },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: colour("--surface"), bordercolor: colour("--line"), font: { color: colour("--text") } },
    margin: { l: 8, r: 16, t: 4, b: 28 }, xaxis: axis, yaxis: { ...axis, ticksuffix: " " }, dragmode: false, hovermode: "closest",
  } };
}

function draw() {
  const template = theme();
  const [original, compressed, third] = template.layout.colorway;
  for (const place of document.querySelectorAll(".chart")) {
    const { data, layout } = JSON.parse(place.nextElementSibling.textContent);
    template.layout.colorway = data.length === 1 ? [compressed] : [original, compressed, third];
    Plotly.react(place, data, { ...layout, template: structuredClone(template) }, { displayModeBar: false, responsive: true });
  }
}

function sort(button) {
  const head = button.closest("th");
  const body = button.closest("table").tBodies[0];
  const place = [...head.parentNode.children].indexOf(head);
  const isNumber = head.classList.contains("number");
  const falls = head.getAttribute("aria-sort") === (isNumber ? "descending" : "ascending") ? !isNumber : isNumber;
  const key = (row) => row.children[place];
  const compare = isNumber
    ? (a, b) => Number(key(a).dataset.order ?? -1) - Number(key(b).dataset.order ?? -1)
    : (a, b) => key(a).textContent.localeCompare(key(b).textContent, "en", { numeric: true });
  const rows = [...body.rows].sort((a, b) => (falls ? -1 : 1) * compare(a, b));
  head.parentNode.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", falls ? "descending" : "ascending");
  body.append(...rows);
}

// A point whose data name a place on the page opens it.
function follow(place) {
  place.on("plotly_click", ({ points: [point] }) => {
    const target = typeof point.customdata === "string" && document.getElementById(point.customdata);
    if (!target) return;
    target.open = true;
    target.scrollIntoView({ block: "start" });
  });
}

document.querySelectorAll("table.sortable thead button").forEach((one) => one.addEventListener("click", () => sort(one)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
document.querySelectorAll(".chart").forEach(follow);
