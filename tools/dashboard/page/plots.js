// Lines over the last minute, by uPlot: cumulative drive, command, and the rate of one unit.
import uPlot from "./vendor/uPlot.esm.js";
import { left, right } from "./raster.js";
import { hatch, theme, unitColour } from "./theme.js";

const GRID = () => theme.line;
const ALL = [0, 1, 2, 3, 4, 5, 6]; // sixths of the time in view
const POINTS = 2400; // a minute of 40 pulses/s
const PAUSE = 1; // s; what is longer is no interval between discharges

// A least and greatest value that move seldom: the next of 1, 2, 5 above what is seen.
function above(value) {
  const size = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= value);
}

class Plot {
  constructor(place, options) {
    this.place = place;
    this.options = options;
    this.now = 0;
    this.span = 60;
    this.doubts = [];
    this.seen = -1;
    this.wanted = null;
    new ResizeObserver(([entry]) => (this.wanted = entry.contentRect)).observe(place);
  }

  begin() {
    this.plot?.destroy();
    const { left, right, xLabels, series, top, splits } = this.options;
    const font = `${(0.85 * theme.rem).toFixed(1)}px ${theme.font}`;
    const axis = { stroke: theme.soft, font, ticks: { show: false }, grid: { stroke: GRID, width: 1 } };
    this.top = top ?? 1;
    this.plot = new uPlot(
      {
        width: Math.max(60, Math.floor(this.size.width)),
        height: Math.max(30, Math.floor(this.size.height)),
        legend: { show: false },
        cursor: { show: false },
        padding: [Math.round(0.5 * theme.rem), right(), xLabels ? 0 : Math.round(0.5 * theme.rem), 0],
        scales: { x: { time: false, range: () => [this.now - this.span, this.now] }, y: { range: () => [0, this.top] } },
        axes: [
          {
            ...axis,
            size: xLabels ? Math.round(1.9 * theme.rem) : 0,
            gap: 6,
            splits: () => (xLabels === "few" ? [0, 3, 6] : ALL).map((k) => this.now - this.span * (1 - k / 6)),
            values: (_, at) => at.map((t) => (xLabels ? this.ago(t) : "")),
          },
          { ...axis, size: left(), gap: 8, splits: splits ?? (() => [0, this.top / 2, this.top]) },
        ],
        series: [{}, ...series()],
        hooks: { drawClear: [(plot) => this.shade(plot)] },
      },
      this.data ?? [[], ...series().map(() => [])],
      this.place,
    );
    this.pattern = hatch(this.plot.ctx, devicePixelRatio || 1);
    this.seen = theme.version;
  }

  ago(t) {
    const seconds = Math.round(10 * (this.now - t)) / 10;
    return seconds === 0 ? "now" : `−${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  }

  shade(plot) {
    const { left, top, width, height } = plot.bbox;
    for (const [from, to] of this.doubts) {
      const x = left + width * Math.max(0, 1 - (this.now - from) / this.span);
      const wide = left + width * Math.min(1, 1 - (this.now - to) / this.span) - x;
      plot.ctx.fillStyle = this.pattern;
      if (wide > 0) plot.ctx.fillRect(x, top, wide, height);
    }
  }

  draw(now, span, data, doubts = [], top = null) {
    this.now = now;
    this.span = span;
    this.doubts = doubts;
    this.data = data;
    if (this.wanted !== null) {
      this.size = this.wanted;
      this.wanted = null;
      this.seen = -1;
    }
    if (!this.size || this.size.height < 20) return;
    if (this.seen !== theme.version) this.begin();
    if (top !== null) this.top = top;
    this.plot.setData(data);
  }
}

const wash = (colour) => `${colour}33`;

export class Drive {
  constructor(model) {
    this.model = model;
    const gutters = { left, right };
    const line = (colour, width = 2) => ({ stroke: colour, width: width, points: { show: false } });
    this.cst = new Plot(document.getElementById("cst"), { ...gutters, top: 100, series: () => [line(theme.ink, 1.6)] });
    this.command = new Plot(document.getElementById("command"), {
      ...gutters, xLabels: "all", top: 1.04, splits: () => [0, 0.5, 1],
      series: () => [{ ...line(theme.drive, 2.4), fill: wash(theme.drive) }, { ...line(theme.soft, 1.4), dash: [4, 4] }],
    });
    this.greatest = 100;
  }

  draw(now, doubts) {
    const { traces, span } = this.model;
    let most = 10;
    for (let i = 0; i < traces.t.length; i++) if (traces.t[i] > now - span) most = Math.max(most, traces.cst[i] ?? 0);
    this.greatest = above(1.02 * most);
    this.cst.draw(now, span, [traces.t, traces.cst], doubts, this.greatest);
    this.command.draw(now, span, [traces.t, traces.command, traces.doubtful], doubts);
  }
}

export class UnitRate {
  constructor(model) {
    this.model = model;
    this.plot = new Plot(document.getElementById("rate"), {
      left: () => Math.round(2.3 * theme.rem), right: () => Math.round(1.3 * theme.rem), xLabels: "few", top: 40, splits: () => [0, 20, 40],
      series: () => [{ stroke: unitColour(model.unit), paths: () => null, points: { show: true, size: 3.5, width: 0, fill: unitColour(model.unit) } }],
    });
    this.of = "";
    this.t = [];
    this.rate = [];
  }

  gather() {
    const { model } = this;
    const { spikes } = model;
    const of = `${model.unit} ${model.versions.data} ${model.epoch}`;
    if (of !== this.of) {
      this.of = of;
      this.t = [];
      this.rate = [];
      this.next = spikes.first();
      this.last = null;
      this.plot.seen = -1;
    }
    this.next = Math.max(this.next, spikes.first());
    for (; this.next < spikes.head; this.next++) {
      const place = spikes.at(this.next);
      if (spikes.row[place] !== model.unit) continue;
      const t = spikes.t[place];
      if (this.last !== null && t > this.last && t - this.last < PAUSE) {
        this.t.push(t);
        this.rate.push(Math.min(40, 1 / (t - this.last)));
      }
      this.last = t;
    }
    if (this.t.length > 2 * POINTS) {
      this.t.splice(0, POINTS);
      this.rate.splice(0, POINTS);
    }
  }

  draw(now) {
    this.gather();
    this.plot.draw(now, this.model.span, [this.t, this.rate]);
  }
}
