// The spectrum plot. Draws the peaks that the page holds as JSON, and lets mouse, touch and keyboard zoom, pan and
// read single peaks. Positions come from spectrum_layout.js. Without scripts the table of peaks stands alone.

import {
  MARGIN, clampRange, fullRange, linearScale, nearestPeak, placeLabels, precursorLabel, ticks,
} from "./spectrum_layout.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 260;
const MIN_WIDTH = 280;
const LABEL_ROOM = 18; // for the labels under the sticks of a mirrored spectrum
const DRAG_PX = 8; // a shorter movement is a click

// The m/z range of each annotation's plot: another candidate replaces the panel, and the zoom stays.
const ranges = new Map();

function element(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
}

function stickClass(peak) {
  if (peak.formula) return "peak explained";
  return peak.possible ? "peak possible" : "peak";
}

// What the candidate says about the peak, in words.
function explain(peak) {
  if (peak.formula) {
    const fragment = peak.smiles ? `, fragment ${peak.smiles}` : "";
    return `, explained as ${peak.formula} (${signed(peak.error_ppm)} ppm)${fragment}`;
  }
  if (peak.possible) return `, not explained by a fragment; ${peak.possible} (${signed(peak.error_ppm)} ppm) is part of the formula`;
  return "";
}

class SpectrumPlot {
  constructor(frame) {
    this.frame = frame;
    this.svg = frame.querySelector("svg");
    this.readout = frame.querySelector("[data-readout]");
    const { peaks, precursor_mz: precursor } = JSON.parse(frame.dataset.spectrumPlot);
    this.peaks = peaks;
    this.precursor = precursor;
    // The spectrum below, if the page compares: its peaks hang from the same axis.
    this.below = frame.dataset.mirrorPlot ? JSON.parse(frame.dataset.mirrorPlot).peaks : null;
    this.full = fullRange([...peaks, ...(this.below ?? [])], precursor);
    this.range = ranges.get(frame.dataset.annotation) ?? { ...this.full };
    this.active = -1; // index of the peak that the readout describes
    this.listen();
    this.draw();
    this.describe();
    new ResizeObserver(() => { if (this.width !== this.drawnWidth) this.draw(); }).observe(this.svg.parentElement);
    frame.dataset.drawn = "true";
  }

  get width() { return Math.max(this.svg.parentElement.clientWidth, MIN_WIDTH); }
  get isWhole() { return this.range.high - this.range.low > this.full.high - this.full.low - 1e-6; }

  get x() {
    return linearScale(this.range, { start: MARGIN.left, end: this.width - MARGIN.right });
  }

  isInRange(peak) { return peak.mz >= this.range.low && peak.mz <= this.range.high; }

  draw() {
    const { x, width } = this;
    const bottom = HEIGHT - MARGIN.bottom;
    const floor = this.below ? (MARGIN.top + bottom) / 2 + 8 : bottom;
    const { sticks, y, highest } = this.layOut(this.peaks, floor, MARGIN.top);
    // Positions of the spectrum below are computed upwards and then mirrored at the floor.
    const mirrored = this.below ? this.layOut(this.below, floor, 2 * floor - bottom + LABEL_ROOM) : null;
    const flip = (value) => 2 * floor - value;
    const bounds = { left: MARGIN.left, right: width - MARGIN.right };
    this.drawnWidth = width;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren(
      ...this.axes(x, y, highest, floor, bottom),
      ...this.precursorMark(x, floor),
      ...this.sticks(sticks, floor),
      ...placeLabels(sticks, bounds).map((label) => this.label(label)),
      ...(mirrored ? this.mirror(mirrored.sticks, floor, flip, bounds) : []),
    );
    this.frame.dataset.low = this.range.low.toFixed(4);
    this.frame.dataset.high = this.range.high.toFixed(4);
  }

  layOut(peaks, floor, ceiling) {
    const shown = peaks.filter((peak) => this.isInRange(peak));
    const highest = shown.reduce((most, peak) => Math.max(most, peak.percent), 0) || 100;
    const y = linearScale({ low: 0, high: highest }, { start: floor, end: ceiling });
    return { highest, y, sticks: shown.map((peak) => ({ peak, x: this.x(peak.mz), y: y(peak.percent) })) };
  }

  mirror(sticks, floor, flip, bounds) {
    return [
      ...sticks.map(({ peak, x, y }) => element("line", {
        class: peak.matched ? "peak below matched" : "peak below", x1: x, x2: x, y1: floor, y2: flip(y),
      })),
      ...placeLabels(sticks, bounds).map(({ text, x, y }) =>
        element("text", { class: "label", x, y: flip(y) + 9 }, text)),
    ];
  }

  axes(x, y, highest, floor, bottom) {
    const right = this.width - MARGIN.right;
    const nodes = ticks(0, highest, 5).flatMap(({ value, text }) => [
      element("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
      element("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, text),
    ]);
    for (const { value, text } of ticks(this.range.low, this.range.high, Math.max(4, Math.floor(this.width / 80)))) {
      nodes.push(
        element("line", { class: "axis", x1: x(value), x2: x(value), y1: bottom, y2: bottom + 5 }),
        element("text", { x: x(value), y: bottom + 18, "text-anchor": "middle" }, text),
      );
    }
    nodes.push(
      element("line", { class: "axis", x1: MARGIN.left, x2: right, y1: floor, y2: floor }),
      ...(bottom === floor ? [] : [element("line", { class: "axis", x1: MARGIN.left, x2: right, y1: bottom, y2: bottom })]),
      element("text", { x: (MARGIN.left + right) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "m/z"),
      element("text", { x: 4, y: 14 }, "% of base peak"),
    );
    return nodes;
  }

  precursorMark(x, floor) {
    if (this.precursor === null || !this.isInRange({ mz: this.precursor })) return [];
    const line = x(this.precursor);
    const label = precursorLabel(line, this.width);
    return [
      element("line", { class: "precursor", x1: line, x2: line, y1: 20, y2: floor }),
      element(
        "text",
        { class: "precursor-label", x: label.x, y: 14, "text-anchor": label.anchor },
        `precursor ${this.precursor.toFixed(4)}`,
      ),
    ];
  }

  sticks(sticks, floor) {
    this.lines = new Map(sticks.map(({ peak, x, y }) => [
      peak,
      element("line", { class: stickClass(peak), x1: x, x2: x, y1: floor, y2: y }),
    ]));
    this.lines.get(this.peaks[this.active])?.classList.add("active");
    return this.lines.values();
  }

  label({ peak, text, x, y }) {
    return element("text", { class: peak.formula ? "label explained" : "label", x, y }, text);
  }

  show(range) {
    this.range = clampRange(range, this.full);
    ranges.set(this.frame.dataset.annotation, this.range);
    this.draw();
    this.describe();
  }

  zoom(factor, centre = this.peaks[this.active]?.mz ?? (this.range.low + this.range.high) / 2) {
    this.show({
      low: centre - (centre - this.range.low) * factor,
      high: centre + (this.range.high - centre) * factor,
    });
  }

  pan(part) {
    const distance = (this.range.high - this.range.low) * part;
    this.show({ low: this.range.low + distance, high: this.range.high + distance });
  }

  reset() { this.show(this.full); }

  step(direction) {
    const isShown = (peak) => peak !== undefined && this.isInRange(peak);
    const next = isShown(this.peaks[this.active])
      ? this.active + direction
      : this.peaks.findIndex((peak) => this.isInRange(peak));
    if (!this.peaks[next]) return;
    if (!isShown(this.peaks[next])) this.pan(direction * 0.5);
    if (!isShown(this.peaks[next])) this.centre(this.peaks[next].mz);
    this.activate(next);
  }

  centre(mz) {
    const half = (this.range.high - this.range.low) / 2;
    this.show({ low: mz - half, high: mz + half });
  }

  activate(index) {
    if (index === this.active) return;
    this.lines.get(this.peaks[this.active])?.classList.remove("active");
    this.active = index;
    const peak = this.peaks[index];
    this.lines.get(peak)?.classList.add("active");
    this.describe();
    // page.js shows the fragment in the drawing of the candidate.
    const atoms = (peak?.atoms ?? []).join(".");
    this.frame.dispatchEvent(new CustomEvent("spectrum:peak", { bubbles: true, detail: { atoms } }));
  }

  // The active peak in words, else the range that a zoomed plot shows.
  describe() {
    const peak = this.peaks[this.active];
    if (peak) {
      const percent = peak.percent.toFixed(peak.percent < 1 ? 2 : 1);
      this.readout.textContent = `m/z ${peak.mz.toFixed(4)}, ${percent} % of base peak${explain(peak)}`;
    } else if (this.isWhole) {
      this.readout.textContent = "";
    } else {
      const { low, high } = this.range;
      const count = this.peaks.filter((shown) => this.isInRange(shown)).length;
      const decimals = high - low < 5 ? 2 : 0;
      this.readout.textContent =
        `m/z ${low.toFixed(decimals)} to ${high.toFixed(decimals)}: ${count} of ${this.peaks.length} peaks`;
    }
  }

  listen() {
    const buttons = { in: () => this.zoom(0.5), out: () => this.zoom(2), reset: () => this.reset() };
    this.frame.querySelectorAll("[data-zoom]").forEach((button) =>
      button.addEventListener("click", buttons[button.dataset.zoom]));
    this.svg.addEventListener("keydown", (event) => this.press(event));
    this.listenToPointer();
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowRight: () => (event.shiftKey ? this.pan(0.25) : this.step(1)),
      ArrowLeft: () => (event.shiftKey ? this.pan(-0.25) : this.step(-1)),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.reset(),
      Escape: () => this.reset(),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    event.stopPropagation(); // the page has keys too
    actions[event.key]();
  }

  listenToPointer() {
    let start = null;
    const isDrag = (x) => start !== null && Math.abs(x - start) > DRAG_PX;
    const pixel = (event) => event.clientX - this.svg.getBoundingClientRect().left;
    this.svg.addEventListener("pointerdown", (event) => {
      this.activate(nearestPeak(this.peaks, this.x, pixel(event)));
      if (event.button !== 0 || event.pointerType !== "mouse") return;
      start = pixel(event);
      this.svg.setPointerCapture(event.pointerId); // a drag may end outside the plot
    });
    this.svg.addEventListener("pointermove", (event) => {
      const x = pixel(event);
      if (isDrag(x)) this.select(start, x);
      else this.activate(nearestPeak(this.peaks, this.x, x));
    });
    this.svg.addEventListener("pointerup", (event) => {
      const x = pixel(event);
      if (isDrag(x)) {
        this.show({ low: this.x.invert(Math.min(start, x)), high: this.x.invert(Math.max(start, x)) });
      }
      start = null;
      this.deselect();
    });
    this.svg.addEventListener("pointercancel", () => { start = null; this.deselect(); });
    this.svg.addEventListener("pointerleave", () => this.activate(-1));
    this.svg.addEventListener("dblclick", () => this.reset());
    // Plain scrolling moves the page; with Ctrl, or by a pinch, it zooms.
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.x.invert(pixel(event)));
    }, { passive: false });
  }

  deselect() { this.svg.querySelector(".selection")?.remove(); }

  // Marks the range that a drag selects.
  select(from, to) {
    this.deselect();
    this.svg.append(element("rect", {
      class: "selection",
      x: Math.min(from, to),
      width: Math.abs(to - from),
      y: MARGIN.top,
      height: HEIGHT - MARGIN.top - MARGIN.bottom,
    }));
  }
}

function start(root) {
  root.querySelectorAll("[data-spectrum-plot]:not([data-drawn])").forEach((frame) => new SpectrumPlot(frame));
}

start(document);
// htmx sends this for every element that it puts into the page.
document.addEventListener("htmx:load", (event) => start(event.target.parentElement ?? document));
