// Layout rules of the spectrum plot: pure functions from peaks and sizes to positions in pixels.
// Nothing here touches the page, so tests call these functions directly.

export const MARGIN = { left: 46, right: 14, top: 40, bottom: 36 };

const AXIS_TITLE_WIDTH = 100; // "% of base peak", above the left end of the plot
// Widths of a character at 12 px in a wide font; names of formulas are bold.
const LABEL = { height: 13, gap: 6, digitWidth: 7.7, boldWidth: 9.1, rise: 6, maxCount: 16 };
// Labels of fainter peaks would name mostly noise.
const MIN_LABELLED_SHARE = 0.03;
const MIN_RANGE = 0.05; // of m/z; deeper zoom shows one stick in an empty plot

// The m/z range that holds all peaks and the precursor, with a margin at both ends.
export function fullRange(peaks, precursorMz) {
  const values = peaks.map((peak) => peak.mz);
  if (precursorMz !== null) values.push(precursorMz);
  if (values.length === 0) return { low: 0, high: 100 };
  const low = values.reduce((least, value) => Math.min(least, value));
  const high = values.reduce((most, value) => Math.max(most, value));
  const margin = Math.max(0.04 * (high - low), 2);
  return { low: Math.max(0, low - margin), high: high + margin };
}

// The range nearest to the requested one that lies inside `full` and is not too narrow to read.
export function clampRange({ low, high }, full) {
  const width = Math.min(Math.max(high - low, MIN_RANGE), full.high - full.low);
  const start = Math.min(Math.max(low, full.low), full.high - width);
  return { low: start, high: start + width };
}

// A linear scale from values to pixels; `invert` leads back.
export function linearScale(domain, pixels) {
  const factor = (pixels.end - pixels.start) / (domain.high - domain.low);
  const scale = (value) => pixels.start + (value - domain.low) * factor;
  scale.invert = (pixel) => domain.low + (pixel - pixels.start) / factor;
  return scale;
}

// At most about `maxCount` ticks at multiples of 1, 2 or 5 times a power of ten, all with equal decimals.
export function ticks(low, high, maxCount) {
  const smallest = ((high - low) / maxCount) * (1 - 1e-9); // 1.8 / 9 is a little more than 0.2
  const power = 10 ** Math.floor(Math.log10(smallest));
  const step = [1, 2, 5, 10].map((multiple) => multiple * power).find((size) => size >= smallest);
  const decimals = Math.min(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const value = Number(((first + index) * step).toPrecision(12));
    return { value, text: value.toFixed(decimals) };
  });
}

// Where the label of the precursor line goes: beside the line, and never over the title of the axis.
export function precursorLabel(x, width) {
  if (x > width / 2) return { x, anchor: "end" };
  return { x: Math.max(x, AXIS_TITLE_WIDTH), anchor: "start" };
}

export function labelText(peak) {
  return peak.formula ?? peak.mz.toFixed(4);
}

// Labels for the strongest peaks: the base peak first, then explained peaks, then the others. A label that would
// cover another label or the stick of a stronger peak is left out. `sticks` are {peak, x, y}, with y at the top.
export function placeLabels(sticks, bounds) {
  const floor = Math.max(0, ...sticks.map((stick) => stick.peak.percent)) * MIN_LABELLED_SHARE;
  const byPriority = sticks
    .filter((stick) => stick.peak.percent >= floor)
    .sort((a, b) => priority(a.peak) - priority(b.peak) || b.peak.percent - a.peak.percent);
  const labels = [];
  for (const stick of byPriority) {
    if (labels.length === LABEL.maxCount) break;
    const label = labelOf(stick, bounds);
    if (labels.some((other) => overlap(label, other))) continue;
    if (sticks.some((other) => other !== stick && crosses(other, label))) continue;
    labels.push(label);
  }
  return labels;
}

function priority(peak) {
  if (peak.percent === 100) return 0;
  return peak.formula ? 1 : 2;
}

function labelOf({ peak, x, y }, { left, right }) {
  const text = labelText(peak);
  const half = (text.length * (peak.formula ? LABEL.boldWidth : LABEL.digitWidth)) / 2;
  return { peak, text, half, x: Math.min(Math.max(x, left + half), right - half), y: y - LABEL.rise };
}

function overlap(a, b) {
  return Math.abs(a.x - b.x) < a.half + b.half + LABEL.gap && Math.abs(a.y - b.y) < LABEL.height;
}

// Whether a stick passes through the label: it rises above the label's baseline, within the label's width.
function crosses(stick, label) {
  return Math.abs(stick.x - label.x) < label.half + LABEL.gap / 2 && stick.y < label.y;
}

// The peak nearest to a pixel, the stronger of two that are equally near. -1: none within reach.
export function nearestPeak(peaks, scale, pixel, reach = 12) {
  let best = -1;
  let distance = reach;
  peaks.forEach((peak, index) => {
    const offset = Math.abs(scale(peak.mz) - pixel);
    if (offset < distance || (offset === distance && peak.percent > (peaks[best]?.percent ?? 0))) {
      best = index;
      distance = offset;
    }
  });
  return best;
}
