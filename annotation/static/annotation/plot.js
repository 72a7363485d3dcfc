// The spectrum plot: redraws the server's sticks to the true width, and lets mouse, touch and keyboard
// zoom, pan and read single peaks. Without this script the server's picture stands.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 46, right: 14, top: 44, bottom: 40 };
const LABEL_PX = { numbers: 62, names: 74 };

function make(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Round numbers within the range: steps of 1, 2 or 5 times a power of ten.
function ticks(low, high, about) {
  const power = 10 ** Math.floor(Math.log10((high - low) / about));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => (high - low) / s <= about);
  const values = [];
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) values.push(Number((n * step).toPrecision(10)));
  return values;
}

class SpectrumPlot {
  constructor(frame) {
    this.frame = frame;
    this.svg = frame.querySelector("svg");
    this.readout = frame.querySelector(".readout");
    this.peaks = [...this.svg.querySelectorAll(".peak")].map((line) => ({
      mz: Number(line.dataset.mz),
      percent: Number(line.dataset.percent),
      name: line.dataset.formula || "",
      error: line.dataset.error || "",
      atoms: line.dataset.atoms || "",
    }));
    this.full = { low: Number(this.svg.dataset.low), high: Number(this.svg.dataset.high) };
    this.precursor = Number(this.svg.dataset.precursor) || null;
    this.view = { ...this.full };
    this.active = -1;
    frame.classList.add("scripted");
    frame.querySelectorAll("[data-plot]").forEach((button) =>
      button.addEventListener("click", () => this.act(button.dataset.plot)));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.listenToPointer();
    new ResizeObserver(() => this.draw()).observe(this.svg.parentElement);
    this.draw();
  }

  get width() { return Math.max(this.svg.parentElement.clientWidth, 280); }
  get height() { return this.width < 560 ? 270 : 340; }
  x(mz) {
    const inner = this.width - MARGIN.left - MARGIN.right;
    return MARGIN.left + ((mz - this.view.low) / (this.view.high - this.view.low)) * inner;
  }
  mz(x) {
    const inner = this.width - MARGIN.left - MARGIN.right;
    return this.view.low + ((x - MARGIN.left) / inner) * (this.view.high - this.view.low);
  }

  draw() {
    const { width, height, view } = this;
    const floor = height - MARGIN.bottom;
    const shown = this.peaks.filter((p) => p.mz >= view.low && p.mz <= view.high);
    const top = Math.max(...shown.map((p) => p.percent), 0.01);
    const y = (percent) => floor - (percent / top) * (floor - MARGIN.top);
    const nodes = [];
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const at = y(part * top);
      nodes.push(make("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }));
      const text = `${Number((part * top).toPrecision(3))}`;
      nodes.push(make("text", { x: MARGIN.left - 8, y: at + 4, "text-anchor": "end" }, text));
    }
    for (const value of ticks(view.low, view.high, Math.max(3, Math.floor(width / 100)))) {
      const at = this.x(value);
      nodes.push(make("line", { class: "axis", x1: at, x2: at, y1: floor, y2: floor + 5 }));
      nodes.push(make("text", { x: at, y: floor + 19, "text-anchor": "middle" }, String(value)));
    }
    nodes.push(make("line", { class: "axis", x1: MARGIN.left, x2: width - MARGIN.right, y1: floor, y2: floor }));
    const middle = (MARGIN.left + width - MARGIN.right) / 2;
    nodes.push(make("text", { x: middle, y: height - 4, "text-anchor": "middle" }, "m/z"));
    nodes.push(make("text", { x: 4, y: 14 }, "% of base peak"));
    if (this.precursor && this.precursor >= view.low && this.precursor <= view.high) {
      const at = this.x(this.precursor);
      nodes.push(make("line", { class: "precursor", x1: at, x2: at, y1: MARGIN.top - 12, y2: floor }));
      const label = `precursor ${this.precursor.toFixed(4)}`;
      const side = at > width / 2 ? "end" : "start";
      nodes.push(make("text", { class: "precursor-label", x: at, y: 14, "text-anchor": side }, label));
    }
    for (const peak of shown) {
      const active = this.peaks[this.active] === peak ? " active" : "";
      const css = `peak${peak.name ? " explained" : ""}${active}`;
      nodes.push(make("line", { class: css, x1: this.x(peak.mz), x2: this.x(peak.mz), y1: floor, y2: y(peak.percent) }));
    }
    nodes.push(...this.labels(shown, top, y));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...nodes);
  }

  // The strongest peaks by name, explained ones first, none on top of another.
  labels(shown, top, y) {
    const worth = [...shown].sort((a, b) =>
      (b.percent === 100) - (a.percent === 100) || !!b.name - !!a.name || b.percent - a.percent);
    const taken = [];
    const nodes = [];
    for (const peak of worth) {
      if (peak.percent < 0.03 * top || nodes.length >= 16) continue;
      const at = this.x(peak.mz);
      const need = peak.name ? LABEL_PX.names : LABEL_PX.numbers;
      if (taken.some((other) => Math.abs(other - at) < need)) continue;
      taken.push(at);
      const x = Math.min(Math.max(at, MARGIN.left + 24), this.width - MARGIN.right - 24);
      const css = `label${peak.name ? " explained" : ""}`;
      nodes.push(make("text", { class: css, x, y: y(peak.percent) - 7 }, peak.name || peak.mz.toFixed(4)));
    }
    return nodes;
  }

  show(low, high) {
    const least = 0.05;
    const width = Math.min(Math.max(high - low, least), this.full.high - this.full.low);
    const start = Math.min(Math.max(low, this.full.low), this.full.high - width);
    this.view = { low: start, high: start + width };
    this.draw();
  }

  zoom(factor, around = (this.view.low + this.view.high) / 2) {
    this.show(around - (around - this.view.low) * factor, around + (this.view.high - around) * factor);
  }

  pan(part) {
    const by = (this.view.high - this.view.low) * part;
    this.show(this.view.low + by, this.view.high + by);
  }

  act(name) {
    const centre = this.peaks[this.active]?.mz;
    if (name === "in") this.zoom(0.5, centre);
    if (name === "out") this.zoom(2, centre);
    if (name === "reset") this.show(this.full.low, this.full.high);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowRight: () => (event.shiftKey ? this.pan(0.2) : this.step(1)),
      ArrowLeft: () => (event.shiftKey ? this.pan(-0.2) : this.step(-1)),
      "+": () => this.act("in"), "=": () => this.act("in"), "-": () => this.act("out"),
      0: () => this.act("reset"), Escape: () => this.act("reset"),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  step(direction) {
    const inView = (i) => this.peaks[i] && this.peaks[i].mz >= this.view.low && this.peaks[i].mz <= this.view.high;
    let next = this.active < 0 || !inView(this.active) ? this.peaks.findIndex((_, i) => inView(i)) : this.active + direction;
    if (next < 0 || next >= this.peaks.length) return;
    if (!inView(next)) this.pan(direction * 0.5);
    this.point(next);
  }

  point(index) {
    if (index === this.active) return;
    this.active = index;
    const peak = this.peaks[index];
    this.readout.textContent = peak
      ? `m/z ${peak.mz.toFixed(4)}, ${peak.percent.toFixed(peak.percent < 1 ? 2 : 1)} % of base peak` +
        (peak.name ? `, explained as ${peak.name} (${peak.error} ppm)` : "")
      : "";
    // Whoever draws the candidate may show the fragment (page.js does).
    this.frame.dispatchEvent(new CustomEvent("spectrum:peak", { bubbles: true, detail: { atoms: peak?.atoms || "" } }));
    this.draw();
  }

  listenToPointer() {
    let start = null;
    const place = (event) => event.clientX - this.svg.getBoundingClientRect().left;
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType === "mouse") start = place(event);
    });
    this.svg.addEventListener("pointermove", (event) => {
      const x = place(event);
      if (start !== null && Math.abs(x - start) > 4) this.selection(start, x);
      else this.point(this.nearest(x));
    });
    this.svg.addEventListener("pointerleave", () => { start = null; this.point(-1); });
    this.svg.addEventListener("pointerup", (event) => {
      const x = place(event);
      if (start !== null && Math.abs(x - start) > 8) this.show(this.mz(Math.min(start, x)), this.mz(Math.max(start, x)));
      start = null;
    });
    this.svg.addEventListener("dblclick", () => this.act("reset"));
    // Plain scrolling stays the page's own; with Ctrl (or a pinch) it zooms.
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.mz(place(event)));
    }, { passive: false });
  }

  nearest(x) {
    let best = -1;
    let distance = 12;
    this.peaks.forEach((peak, index) => {
      const away = Math.abs(this.x(peak.mz) - x);
      if (away < distance || (away === distance && peak.percent > this.peaks[best]?.percent)) { best = index; distance = away; }
    });
    return best;
  }

  selection(from, to) {
    this.svg.querySelector(".window")?.remove();
    const box = { class: "window", x: Math.min(from, to), width: Math.abs(to - from), y: MARGIN.top, height: this.height - MARGIN.top - MARGIN.bottom };
    this.svg.append(make("rect", box));
  }
}

function start(root) {
  root.querySelectorAll("[data-spectrum-plot]").forEach((frame) => {
    if (!frame.classList.contains("scripted")) new SpectrumPlot(frame);
  });
}

start(document);
document.addEventListener("htmx:load", (event) => start(event.target.parentElement || document));
