// Lines over the last minute: cumulative drive, command, a signal beside the EMG, and the rate of one unit.
import { AHEAD, left, right } from "./raster.js";
import { Roll } from "./roll.js";
import { above, figures, marks, settled } from "./scale.js";
import { Stage } from "./stage.js";
import { hatch, theme, unitColour } from "./theme.js";

const POINTS = 2400; // a minute of 40 pulses/s
const PAUSE = 1; // s; what is longer is no interval between discharges
const BEYOND = 4; // px that a line may reach beyond its points

// Place of the first time that is not before `t`.
function placeOf(times, t) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < t) low = middle + 1;
    else high = middle;
  }
  return low;
}

function ago(seconds) {
  if (seconds === 0) return "now";
  return `−${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
}

// Values over time on a canvas of their own. `lines` draws them: lines(pen, t, x, y, first, last) draws the rows from
// `first` to `last` of the times `t`, with `x` of a row and `y` of a value in device pixels. `splits` are the values with
// a line across, `say` words them.
class Plot {
  constructor(place, { left, right, labels, splits, lines, say = (value) => value.toLocaleString() }) {
    this.stage = new Stage(place.querySelector("canvas"));
    this.roll = new Roll();
    Object.assign(this, { left, right, labels, splits, lines, say });
    this.drawn = "";
    this.shown = -1;
  }

  begin(now, span, bottom, top) {
    const { stage, roll } = this;
    const pad = Math.round(0.5 * theme.rem);
    const below = this.labels ? Math.round(1.9 * theme.rem) : pad;
    this.box = { x: this.left(), y: pad, width: Math.max(10, stage.width - this.left() - this.right()) };
    this.box.height = Math.max(10, stage.height - pad - below);
    this.edge = Math.ceil(2 * stage.scale); // device px above and below, for lines and points at the ends of the scale
    this.span = span;
    this.bottom = bottom;
    this.top = top;
    this.reached = -Infinity; // time of the last row painted
    roll.begin(this.box.width * stage.scale, this.box.height * stage.scale + 2 * this.edge, span, AHEAD, now);
    this.pattern = hatch(stage.context, 1);
    this.shown = -1;
    stage.clear();
    this.axes();
  }

  axes() {
    const { stage, box, span } = this;
    for (const value of this.splits(this.top)) {
      stage.text(this.say(value), box.x - 8, this.height(value), { align: "right" });
    }
    const every = this.labels === "few" ? 3 : 1;
    for (let k = 0; this.labels && k <= 6; k += every) {
      const words = ago(Math.round(10 * span * (1 - k / 6)) / 10);
      stage.text(words, box.x + (box.width * k) / 6, box.y + box.height + 6, { align: "center", base: "top" });
    }
  }

  // Of the height, from the bottom.
  share(value) {
    return (value - this.bottom) / (this.top - this.bottom);
  }

  height(value) {
    return this.box.y + this.box.height * (1 - this.share(value));
  }

  // Draw what has changed. Another `version` is another picture.
  draw(now, span, t, version, { bottom = 0, top, doubts = () => [] }) {
    const { stage, roll } = this;
    if (!stage.ready() || stage.height < 30) return;
    const key = `${stage.version} ${span} ${bottom} ${top} ${this.labels} ${version}`;
    if (key !== this.drawn) this.begin(now, span, bottom, top);
    this.drawn = key;
    if (roll.column(now) === this.shown) return;
    this.shown = roll.column(now);
    roll.turn(now);
    this.add(t);
    this.picture(now, doubts());
  }

  // Paint the rows that have come.
  add(t) {
    const { roll, stage } = this;
    const newest = t.length ? t[t.length - 1] : -Infinity;
    if (newest <= this.reached) return;
    const beyond = Math.ceil(BEYOND * stage.scale);
    const from = this.reached === -Infinity ? roll.first() : roll.column(this.reached) - beyond;
    this.reached = newest;
    const high = roll.high - 2 * this.edge;
    const y = (value) => this.edge + high * (1 - this.share(value));
    roll.paint(from, roll.column(newest) + beyond, (pen, begin, end) => {
      const x = (row) => t[row] * roll.pace - begin;
      const first = placeOf(t, (begin - beyond) / roll.pace) - 1;
      const last = placeOf(t, (end + beyond) / roll.pace);
      this.lines({ pen, x, y, first: Math.max(0, first), last: Math.min(t.length - 1, last), scale: stage.scale, begin, end });
    });
  }

  picture(now, doubts) {
    const { stage, box, edge } = this;
    const pen = stage.context;
    const room = edge / stage.scale;
    stage.clear(box.x, box.y - room, box.width + 1, box.height + 2 * room);
    for (const [from, to] of doubts) {
      const x = box.x + box.width * Math.max(0, 1 - (now - from) / this.span);
      const wide = box.x + box.width * Math.min(1, 1 - (now - to) / this.span) - x;
      pen.fillStyle = this.pattern;
      if (wide > 0) pen.fillRect(x, box.y, wide, box.height);
    }
    pen.fillStyle = theme.line;
    for (let k = 0; k <= 6; k += this.labels === "few" ? 3 : 1) {
      pen.fillRect(Math.round(box.x + (box.width * k) / 6), box.y, 1, box.height);
    }
    for (const value of this.splits(this.top)) pen.fillRect(box.x, Math.round(this.height(value) - 0.5), box.width, 1);
    this.roll.copy(stage, now, box.x, box.y - room);
  }
}

// A line through values, broken where there is none; with a `floor`, the outline of what is below it.
function path({ pen, x, y, first, last }, values, floor = null) {
  let before = null; // row
  pen.beginPath();
  for (let row = first; row <= last + 1; row++) {
    const value = row <= last ? values[row] : null;
    if (value === null || value === undefined) {
      if (before !== null && floor !== null) pen.lineTo(x(before), floor);
      before = null;
      continue;
    }
    if (before === null && floor !== null) {
      pen.moveTo(x(row), floor);
      pen.lineTo(x(row), y(value));
    } else if (before === null) pen.moveTo(x(row), y(value));
    else pen.lineTo(x(row), y(value));
    before = row;
  }
}

// A line through the least and greatest value of every row, broken where there are none.
function band({ pen, x, y, first, last, scale }, low, high, colour, width) {
  let drawn = false;
  pen.beginPath();
  for (let row = first; row <= last; row++) {
    if (low[row] === null) {
      drawn = false;
      continue;
    }
    const falls = row > 0 && low[row - 1] !== null && low[row] + high[row] < low[row - 1] + high[row - 1];
    const [one, other] = falls ? [high[row], low[row]] : [low[row], high[row]];
    if (drawn) pen.lineTo(x(row), y(one));
    else pen.moveTo(x(row), y(one));
    pen.lineTo(x(row), y(other));
    drawn = true;
  }
  pen.lineJoin = pen.lineCap = "round";
  pen.strokeStyle = colour;
  pen.lineWidth = width * scale;
  pen.stroke();
}

function line(place, values, colour, width) {
  path(place, values);
  place.pen.lineJoin = "round";
  place.pen.strokeStyle = colour;
  place.pen.lineWidth = width * place.scale;
  place.pen.stroke();
}

// As `line`, dashed. Every dash is where it was when less of the line had come.
function dashed(place, values, colour, width) {
  const { pen, scale, begin, end } = place;
  const dash = Math.round(4 * scale);
  pen.save();
  pen.beginPath();
  for (let x = begin - (begin % (2 * dash)) - 2 * dash; x < end; x += 2 * dash) pen.rect(x - begin, 0, dash, pen.canvas.height);
  pen.clip();
  line(place, values, colour, width);
  pen.restore();
}

const wash = (colour) => `${colour}33`;

export class Drive {
  constructor(model) {
    const { traces } = model;
    this.model = model;
    this.cst = new Plot(document.getElementById("cst"), {
      left, right, labels: "", splits: (top) => [0, top / 2, top],
      lines: (place) => line(place, traces.cst, theme.ink, 1.6),
    });
    this.command = new Plot(document.getElementById("command"), {
      left, right, labels: "all", splits: () => [0, 0.5, 1],
      lines: (place) => {
        path(place, traces.command, place.y(0));
        place.pen.fillStyle = wash(theme.drive);
        place.pen.fill();
        line(place, traces.command, theme.drive, 2.4);
        dashed(place, traces.doubtful, theme.soft, 1.4);
      },
    });
    this.signal = new SignalPlot(model);
    this.greatest = 100;
    this.looked = -Infinity;
  }

  draw(now) {
    const { traces, span, versions } = this.model;
    this.command.labels = this.signal.shown() ? "" : "all"; // the lowest lane has the times
    const doubts = () => traces.doubts(now, span);
    if (Math.abs(now - this.looked) > 0.1) {
      this.looked = now;
      let most = 10;
      for (let row = placeOf(traces.t, now - span); row < traces.t.length; row++) most = Math.max(most, traces.cst[row] ?? 0);
      this.greatest = above(1.02 * most);
    }
    this.cst.draw(now, span, traces.t, versions.data, { top: this.greatest, doubts });
    this.command.draw(now, span, traces.t, versions.data, { top: 1.04, doubts });
    this.signal.draw(now);
  }
}

// A signal beside the EMG; without one its lane takes no room.
class SignalPlot {
  constructor(model) {
    this.model = model;
    this.panel = document.getElementById("drive");
    this.lane = document.getElementById("signal").closest(".lane");
    this.plot = new Plot(document.getElementById("signal"), {
      left, right, labels: "all", lines: (place) => band(place, model.signal.low, model.signal.high, theme.ink, 1.2),
      splits: () => (model.signal.scale === null ? [] : marks(model.signal.scale)),
      say: (value) => figures(value, model.signal.scale.step),
    });
    this.begun = -1;
    this.looked = -Infinity;
  }

  shown() {
    const shown = this.model.signals.length > 0;
    if (this.lane.hidden === shown) {
      this.lane.hidden = !shown;
      this.panel.classList.toggle("three", shown);
    }
    return shown;
  }

  draw(now) {
    const { signal, span, versions } = this.model;
    if (!this.shown()) return;
    if (signal.begun !== this.begun || Math.abs(now - this.looked) > 0.1) this.look(now);
    const { low: bottom, high: top } = signal.scale ?? { low: 0, high: 1 };
    const version = `${versions.data} ${signal.begun} ${signal.scale === null}`;
    const hole = this.model.signalHole();
    const doubts = () => signal.doubts(now, span, hole);
    this.plot.draw(now, span, signal.t, version, { bottom, top, doubts });
  }

  // Settle the scale for what is in view.
  look(now) {
    const { signal, span } = this.model;
    [this.begun, this.looked] = [signal.begun, now];
    let low = Infinity, high = -Infinity;
    for (let row = placeOf(signal.t, now - span); row < signal.t.length; row++) {
      if (signal.low[row] === null) continue;
      low = Math.min(low, signal.low[row]);
      high = Math.max(high, signal.high[row]);
    }
    if (low <= high) signal.scale = settled(signal.scale, low, high);
  }
}

export class UnitRate {
  constructor(model) {
    this.model = model;
    this.plot = new Plot(document.getElementById("rate"), {
      left: () => Math.round(2.3 * theme.rem), right: () => Math.round(1.3 * theme.rem), labels: "few",
      splits: () => [0, 20, 40], lines: (place) => this.points(place),
    });
    this.of = "";
    this.t = [];
    this.rate = [];
  }

  points({ pen, x, y, first, last, scale }) {
    pen.fillStyle = unitColour(this.model.unit);
    pen.beginPath();
    for (let row = first; row <= last; row++) {
      pen.moveTo(x(row), y(this.rate[row]));
      pen.arc(x(row), y(this.rate[row]), 1.75 * scale, 0, 2 * Math.PI);
    }
    pen.fill();
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
    this.plot.draw(now, this.model.span, this.t, this.of, { top: 40 });
  }
}
