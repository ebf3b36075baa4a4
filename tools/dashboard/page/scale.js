// A least and greatest value of an axis that move seldom, and the numbers that stand beside it.
const OVER = 0.04; // of a step that a value may reach beyond: a zero that trembles asks for no other step
const NEAR = 0.5; // zero belongs to the axis where what is seen is no less wide than so much of it

// The next of 1, 2, 5 above a value.
export function above(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= value);
}

// Least value, greatest value and step of an axis for values from `low` to `high`.
export function bounds(low, high) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  if (most === 0) return { low: -1, high: 1, step: 1 };
  if (high - low >= NEAR * most) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  const step = above(Math.max((high - low) / 2, 1e-4 * most) * 0.999);
  const least = step * Math.floor(low / step + OVER), greatest = step * Math.ceil(high / step - OVER);
  return greatest > least ? { low: least, high: greatest, step } : { low: least - step, high: least + step, step };
}

// Bounds that hold `low` to `high`: those known, unless it reaches beyond them or needs no more than half.
export function settled(known, low, high) {
  const next = bounds(low, high);
  if (known === null) return next;
  const over = OVER * known.step;
  const fits = low >= known.low - over && high <= known.high + over;
  return fits && 2 * (next.high - next.low) > 1.001 * (known.high - known.low) ? known : next;
}

// Values that an axis is marked at: all steps where they are few, else its ends, and zero between them.
export function marks({ low, high, step }) {
  const count = Math.round((high - low) / step);
  if (count < 3) return Array.from({ length: count + 1 }, (_, k) => low + k * step);
  return low < 0 && high > 0 ? [low, 0, high] : [low, high];
}

// A value in so few figures that they do not tremble: those that `step` has, and some `more`.
export function figures(value, step, more = 0) {
  const size = Math.floor(Math.log10(step) + 1e-9);
  if (Math.abs(value) >= 1e7 || size < -3) {
    const digits = Math.floor(Math.log10(Math.abs(value) || 1)) - size + more;
    return value === 0 ? "0" : value.toExponential(Math.max(0, Math.min(2, digits))).replaceAll("-", "−").replace("+", "");
  }
  const digits = Math.max(0, more - size);
  return value.toFixed(digits).replace(/^-(?=.*[1-9])/, "−").replace("-", "");
}
