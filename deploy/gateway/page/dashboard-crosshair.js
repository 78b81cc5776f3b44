/**
 * The crosshair of a chart: the values under it, log lines by a click or Enter, a shorter range by dragging.
 *
 * @typedef {import("./dashboard-chart.js").Chart} Chart
 */

import { dashboardAddress, linesAddress } from "./dashboard-address.js";
import { h } from "./dom.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
const STILL_PX = 4;

/** Where the crosshair was when its chart lost the focus, by the chart's key: charts are drawn again at each refresh. */
const remembered = new Map();

/**
 * Make the legend of a chart, and what its events do.
 * @param {{figure: HTMLElement, place: HTMLElement, chart: Chart, ends: number[], heights: (number | null)[][],
 *   samples: Element[], format: ReturnType<typeof import("./dashboard-format.js").formats>}} parts
 *   ends of the buckets; heights at which values are drawn
 */
export function startCrosshair({ figure, place, chart, ends, heights, samples, format }) {
  const { key, title } = figure.dataset;
  const { series, starts } = chart;
  const values = series.map(() => h("span.value"));
  const time = h("span.time");
  const link = h("a.to-lines", { hidden: true });
  const common = shared(series.map(({ filter }) => filter));
  let plot;
  let index = null;

  figure.insertBefore(
    h("ul.legend", {}, ...series.map(({ name }, one) => h("li", {}, samples[one], name, values[one]))),
    place,
  );
  figure.append(h("p.reading", {}, time, link));
  /** Write the values of a bucket, or none. */
  function show(chosen) {
    index = chosen;
    const isAt = index !== null;
    const reading = (one) => (series[one].values[index] === null ? "–" : format.number(series[one].values[index]));
    for (const one of series.keys()) values[one].textContent = isAt ? reading(one) : "";
    time.textContent = isAt ? format.moment(starts[index], ends[index]) : "";
    link.hidden = !isAt;
    if (!isAt) return;
    remembered.set(key, starts[index]);
    link.textContent = document.querySelector("main").dataset.linesAt.replace("{time}", format.short(starts[index], ends[index]));
    link.href = address(index, common);
    place.setAttribute("aria-valuenow", index);
    const readings = series.map(({ name }, one) => `${name} ${reading(one)}`);
    place.setAttribute("aria-valuetext", [time.textContent, ...readings].join(", "));
  }

  function address(at, filter) {
    return linesAddress(starts[at], ends[at], filter);
  }

  /** Return the filter of what is drawn at a height: the part of a bar, or the nearest line. */
  function filterAt(at, y) {
    const value = plot.posToVal(y, "y");
    const drawn = [...series.keys()].filter((one) => series[one].values[at]);
    if (chart.form === "bars") return series[drawn.find((one) => value <= heights[one][at])]?.filter ?? common;
    const distance = (one) => Math.abs(heights[one][at] - value);
    return series[drawn.sort((one, other) => distance(one) - distance(other))[0]]?.filter ?? common;
  }

  function move(to) {
    const at = Math.min(Math.max(to, 0), starts.length - 1);
    plot.setCursor({ left: plot.valToPos(plot.data[0][at], "x"), top: 0 }, true, true);
  }

  function press(event) {
    if (event.key in STEPS) move((index ?? starts.length) + STEPS[event.key]);
    else if (event.key === "Enter" && index !== null) location.assign(address(index, common));
    else if (event.key === "Escape") show(null);
    else return;
    event.preventDefault();
  }

  return {
    hooks: {
      // The last reading stays when the pointer leaves the chart, perhaps for the link to the lines.
      setCursor: [(drawn) => typeof drawn.cursor.idx === "number" && show(drawn.cursor.idx)],
      setSelect: [
        ({ select }) => {
          if (select.width <= 0) return;
          const [from, to] = [select.left, select.left + select.width].map((px) => plot.posToIdx(px));
          location.assign(dashboardAddress(starts[from], ends[to], figure.id));
        },
      ],
    },

    /** Listen, once the chart is drawn. */
    start(drawn) {
      plot = drawn;
      let pressed = null;
      plot.over.addEventListener("pointerdown", (event) => (pressed = event));
      plot.over.addEventListener("click", (event) => {
        const isStill = pressed && Math.abs(event.clientX - pressed.clientX) < STILL_PX;
        // A finger has no other way to see the values; it opens the lines by the link beside them.
        if (!isStill || pressed.pointerType === "touch") return;
        const at = plot.posToIdx(event.offsetX);
        location.assign(address(at, filterAt(at, event.offsetY)));
      });
      place.addEventListener("keydown", press);
      place.addEventListener("focus", () => {
        if (place.matches(":focus-visible") && index === null) move(nearest(starts, remembered.get(key)));
      });
    },
  };
}

/** Return the bucket of a time, by default the last one. */
function nearest(starts, second) {
  const at = starts.findLastIndex((start) => start <= (second ?? Infinity));
  return Math.max(at, 0);
}

/** Return what all filters have in common. */
function shared(filters) {
  return Object.fromEntries(Object.entries(filters[0]).filter(([name, value]) => filters.every((one) => one[name] === value)));
}
