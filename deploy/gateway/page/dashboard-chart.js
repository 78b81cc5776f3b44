/**
 * Charts of the report, by uPlot (vendor/uplot), whose colours and dashes are those of report.css.
 *
 * @typedef {{name: string, style: string, values: (number | null)[], filter: Record<string, string>}} Series
 * @typedef {{form: "lines" | "bars", starts: number[], end: number, least: number, series: Series[]}} Chart as plots.py writes it
 */

import { startCrosshair } from "./dashboard-crosshair.js";
import { DAY_S, formats } from "./dashboard-format.js";
import { startTouchZoom } from "./dashboard-touch.js";
import { h } from "./dom.js";

const NARROW = 420;
const WIDEST_BAR = 72;
const SVG = "http://www.w3.org/2000/svg";

/**
 * Draw the chart of a figure.
 * @param {HTMLElement} figure with the chart as JSON
 * @param {DOMStringMap} report its zone
 * @returns {{redraw: () => void, destroy: () => void}}
 */
export function drawChart(figure, report) {
  /** @type {Chart} */
  const chart = JSON.parse(figure.querySelector("script").textContent);
  const format = formats(report.timezone);
  const ends = [...chart.starts.slice(1), chart.end];
  const last = chart.starts.length - 1;
  const place = h("div.chart-area", {
    role: "slider", // of the crosshair
    tabindex: 0,
    "aria-label": figure.dataset.title,
    "aria-describedby": "chart-help",
    "aria-valuemin": 0,
    "aria-valuemax": last,
    "aria-valuenow": last,
    "aria-valuetext": format.moment(chart.starts[last], ends[last]),
  });
  const middles = chart.starts.map((start, index) => (start + ends[index]) / 2);
  const isByDay = figure.dataset.key === "calls_per_day";
  const isStacked = chart.form === "bars";
  const heights = isStacked ? stacked(chart.series) : chart.series.map(({ values }) => values);
  const looks = chart.series.map(({ style }) => look(style, isStacked ? "key" : "line"));
  // The topmost bars are drawn first, and the lower ones over them.
  const order = chart.series.map((_, index) => index);
  if (isStacked) order.reverse();

  figure.append(place);
  const crosshair = startCrosshair({ figure, place, chart, ends, heights, format, samples: looks.map(({ sample }) => sample) });
  const plot = new uPlot(
    {
      width: width(figure),
      height: place.clientHeight,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), format.zone),
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false, dist: 5 },
        points: { show: !isStacked, size: 7 },
        ...(!isByDay && { sync: sync() }),
      },
      scales: {
        x: { time: true, range: () => [chart.starts[0], chart.end] },
        y: { range: (_, __, most) => [0, Math.max(most ?? 0, chart.least) * 1.05 || 1] },
      },
      axes: axes(figure, format, isByDay && middles),
      series: [{}, ...order.map((index) => (isStacked ? bars(looks[index]) : curve(looks[index])))],
      hooks: crosshair.hooks,
    },
    [middles, ...order.map((index) => heights[index])],
    place,
  );
  crosshair.start(plot);
  startTouchZoom(plot);

  const observer = new ResizeObserver(() => {
    if (width(figure) !== plot.width) plot.setSize({ width: width(figure), height: place.clientHeight });
  });
  observer.observe(figure);
  return {
    redraw: () => plot.redraw(false),
    destroy: () => {
      observer.disconnect();
      plot.destroy();
    },
  };
}

function width(figure) {
  return Math.max(Math.floor(figure.clientWidth), 100);
}

/** Return the axes; the labels of days stand below the middle of their bars. */
function axes(figure, format, days) {
  const axis = {
    stroke: () => getComputedStyle(figure).color,
    font: "12px system-ui, sans-serif",
    grid: { stroke: () => getComputedStyle(figure).borderTopColor, width: 1 },
    ticks: { show: false },
  };
  const space = width(figure) < NARROW ? 50 : 64;
  return [
    {
      ...axis,
      size: 32,
      space,
      ...(days && { splits: (plot) => everyFew(days, plot.width / space) }),
      values: (_, splits, __, ___, step) => splits.map((second) => label(second, days ? DAY_S : step, format)),
    },
    { ...axis, size: 52, space: 36, values: (_, splits) => splits.map(format.figure) },
  ];
}

function bars({ colour }) {
  return { stroke: colour, fill: colour, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.85, WIDEST_BAR] }) };
}

function curve({ colour, dash }) {
  return { stroke: colour, width: 2, dash: dash(), points: { show: true, size: 4, filter: isolated } };
}

/** Move the crosshairs of all charts of the range together; a drag is one chart's own. */
function sync() {
  const isMove = (type) => type === "mousemove" || type === "mouseleave";
  return { key: "report", scales: ["x", null], filters: { pub: isMove, sub: isMove } };
}

/** Return for each series the heights of its bars' upper ends. */
function stacked(series) {
  const feet = series[0].values.map(() => 0);
  return series.map(({ values }) => values.map((value, index) => (feet[index] += value ?? 0)));
}

/** Return the places of the points without neighbours, which no line shows. */
function isolated(plot, series) {
  const isMissing = (index) => (plot.data[series][index] ?? null) === null;
  return [...plot.data[series].keys()].filter((index) => !isMissing(index) && isMissing(index - 1) && isMissing(index + 1));
}

function label(second, step, format) {
  return step >= DAY_S || format.clock(second) === "00:00" ? format.day(second) : format.clock(second);
}

/** Return so few values that at most `most` are left. */
function everyFew(values, most) {
  const step = Math.ceil(values.length / Math.max(most, 1));
  return values.filter((_, index) => index % step === 0);
}

/** Return how report.css draws a series: a sample for the legend, its colour now, its dashes. */
function look(style, kind) {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("class", `chart-${kind} chart-${style}`);
  path.setAttribute("d", "M0 5h22");
  const sample = document.createElementNS(SVG, "svg");
  sample.setAttribute("class", "sample");
  sample.setAttribute("viewBox", "0 0 22 10");
  sample.setAttribute("aria-hidden", "true");
  sample.append(path);
  return {
    sample,
    colour: () => getComputedStyle(path).stroke,
    dash: () => (getComputedStyle(path).strokeDasharray.match(/[\d.]+/g) ?? []).map(Number),
  };
}
