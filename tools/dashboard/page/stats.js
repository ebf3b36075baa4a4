// How smoothly the page draws, for tests and measurements: window.myodriveStats().
const KEPT = 2048;

export class Stats {
  constructor() {
    this.frames = 0;
    this.intervals = new Float32Array(KEPT);
    this.costs = new Float32Array(KEPT);
    this.last = null;
    this.errors = [];
    addEventListener("error", (event) => this.fail(String(event.message)));
    addEventListener("unhandledrejection", (event) => this.fail(String(event.reason)));
  }

  fail(words) {
    if (this.errors.length < 20) this.errors.push(words);
  }

  note(time, cost) {
    if (this.last !== null) this.intervals[this.frames % KEPT] = time - this.last;
    this.costs[this.frames % KEPT] = cost;
    this.last = time;
    this.frames += 1;
  }

  quantiles(values) {
    const sorted = values.slice(0, Math.min(this.frames, KEPT)).sort();
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }

  summary() {
    const { p50, p99, max } = this.quantiles(this.intervals);
    return { frames: this.frames, interval_ms: { p50, p99, max }, cost_ms: this.quantiles(this.costs), errors: this.errors };
  }
}
