// What the page knows: filled by frames, in arrays of fixed size.
import { usePalettes } from "./theme.js";

export const MOST_SPAN = 60; // s
export const LAG = 0.15; // s; the picture is so far behind, so that what it shows has come
export const NOT_LIVE = 0, INVALID = 1, VALID = 2;
const SPIKES = 1 << 17;
const TRACES = 2048;
const EMG_BINS = 512;
const HOLE = 0.3; // s without a message

// Times and rows of discharges; number k is at place k mod size.
export class Spikes {
  constructor() {
    this.t = new Float64Array(SPIKES);
    this.row = new Uint16Array(SPIKES);
    this.clear();
  }
  clear() {
    this.head = 0;
  }
  first() {
    return Math.max(0, this.head - SPIKES);
  }
  at(number) {
    return number & (SPIKES - 1);
  }
  push(t, row) {
    const place = this.at(this.head++);
    this.t[place] = t;
    this.row[place] = row;
  }
}

// The drive: plain arrays, cut when they are twice as long as needed.
export class Traces {
  constructor() {
    this.clear();
  }
  clear() {
    this.t = [];
    this.cst = [];
    this.command = [];
    this.doubtful = []; // the command while it is not valid
    this.flag = [];
  }
  push(t, cst, command, flag) {
    const last = this.t.length - 1;
    if (last >= 0 && t <= this.t[last]) return;
    if (last >= 0 && t - this.t[last] > HOLE) this.add((t + this.t[last]) / 2, null, null, null, NOT_LIVE);
    const live = flag !== NOT_LIVE;
    this.add(t, live ? cst : null, flag === VALID ? command : null, flag === INVALID ? command : null, flag);
  }
  add(t, cst, command, doubtful, flag) {
    this.t.push(t);
    this.cst.push(cst);
    this.command.push(command);
    this.doubtful.push(doubtful);
    this.flag.push(flag);
    if (this.t.length < 2 * TRACES) return;
    for (const column of [this.t, this.cst, this.command, this.doubtful, this.flag]) column.splice(0, TRACES);
  }
  // [from, to, flag] of the stretches in view that are not valid.
  doubts(now, span) {
    const found = [];
    const add = (from, to, flag) => {
      const last = found[found.length - 1];
      if (last && last[2] === flag && from <= last[1] + 1e-9) last[1] = to;
      else found.push([from, to, flag]);
    };
    let before = null;
    for (let i = 0; i < this.t.length; i++) {
      const t = this.t[i];
      if (t > now - span && before !== null) {
        if (t - before > HOLE) add(before, t, NOT_LIVE);
        else if (this.flag[i] !== VALID) add(before, t, this.flag[i]);
      }
      before = t;
    }
    if (before !== null && now - before > HOLE) add(Math.max(before, now - span), now, NOT_LIVE);
    return found;
  }
}

let begins = 0; // of pictures of EMG and of signals

// A signal beside the EMG: least and greatest value of every thirtieth of a second.
export class Signal {
  constructor() {
    this.clear(-1, null);
  }
  clear(number, since) {
    this.number = number; // of the signals that there are
    this.since = since; // when it was first heard of
    this.begun = ++begins;
    this.value = null; // the newest
    this.scale = null; // of its axis, once there is a value
    this.t = [];
    this.low = [];
    this.high = [];
  }
  take(frame, hole) {
    if (frame.fresh) this.clear(frame.number, frame.since);
    for (let k = 0; k < frame.t.length; k++) {
      const t = frame.t[k] / 1000;
      const last = this.t[this.t.length - 1] ?? -Infinity;
      if (t <= last) continue;
      if (t - last > hole && last > -Infinity) this.add((t + last) / 2, null, null);
      this.add(t, frame.low[k], frame.high[k]);
    }
    this.value = frame.value;
  }
  add(t, low, high) {
    this.t.push(t);
    this.low.push(low);
    this.high.push(high);
    if (this.t.length < 2 * TRACES) return;
    for (const column of [this.t, this.low, this.high]) column.splice(0, TRACES);
    this.since = this.t[0];
  }
  newest() {
    return this.t[this.t.length - 1] ?? this.since;
  }
  // [from, to] of the stretches in view in which none came.
  doubts(now, span, hole) {
    const found = [];
    let before = this.since;
    if (before === null) return found;
    const look = (t) => {
      if (t > now - span && t - before > hole) found.push([before, t]);
      before = t;
    };
    for (let k = 0; k < this.t.length; k++) if (this.low[k] !== null) look(this.t[k]);
    look(now);
    return found;
  }
}

// EMG of one column: least and greatest value of every bin.
export class Emg {
  constructor() {
    this.rows = [];
    this.channels = [];
    this.column = -1;
    this.begun = ++begins;
    this.head = 0;
    this.low = this.high = new Float32Array(0);
  }
  take(frame) {
    if (frame.fresh) {
      this.rows = frame.rows;
      this.channels = frame.channels;
      this.column = frame.column;
      this.begun = ++begins;
      this.head = 0;
      this.low = new Float32Array(EMG_BINS * frame.rows.length).fill(NaN);
      this.high = new Float32Array(EMG_BINS * frame.rows.length).fill(NaN);
    }
    const count = this.rows.length;
    for (let bin = Math.max(0, frame.low.length - EMG_BINS); bin < frame.low.length; bin++) {
      const place = (this.head++ % EMG_BINS) * count;
      for (let k = 0; k < count; k++) {
        this.low[place + k] = frame.low[bin][k] ?? NaN;
        this.high[place + k] = frame.high[bin][k] ?? NaN;
      }
    }
  }
  get bins() {
    return EMG_BINS;
  }
}

export class Model {
  constructor() {
    this.spikes = new Spikes();
    this.traces = new Traces();
    this.signal = new Signal();
    this.signals = []; // that there are, and how they are doing
    this.emg = new Emg();
    this.params = new Map(); // by row
    this.muap = null;
    this.units = this.status = this.drive = this.rates = null;
    this.stream = "";
    this.headline = { level: "idle", word: "Connecting", sentence: "" };
    this.lines = new Map();
    this.versions = { units: 0, status: 0, drive: 0, rates: 0, log: 0, muap: 0, headline: 0, stream: 0, data: 0 };
    this.epoch = -1;
    this.missed = 0;
    this.ninety = 1.645;
    this.ahead = null; // the pipeline's clock less the page's
    this.unit = 0; // chosen row
    this.column = -1;
    this.chosenSignal = 0;
    this.span = MOST_SPAN; // s in view
  }

  // Seconds since the base of the times, on the pipeline's clock, smoothly.
  now() {
    return this.ahead === null ? 0 : performance.now() / 1000 + this.ahead - LAG;
  }

  follow(now) {
    const ahead = now - performance.now() / 1000;
    if (this.ahead === null || Math.abs(ahead - this.ahead) > 0.5) this.ahead = ahead;
    else this.ahead += 0.05 * (ahead - this.ahead);
  }

  forget() {
    this.spikes.clear();
    this.traces.clear();
    this.signal.clear(-1, null);
    this.emg = new Emg();
    this.params.clear();
    this.muap = null;
    this.ahead = null;
    for (const name of ["muap", "data"]) this.versions[name] += 1;
  }

  take(frame) {
    if (frame.hello) {
      usePalettes(frame.hello.light, frame.hello.dark);
      this.ramp = frame.hello.ramp;
      this.ninety = frame.hello.ninety;
      this.lines.clear();
    }
    if (frame.hello || frame.epoch !== this.epoch) this.forget();
    this.epoch = frame.epoch;
    this.missed = frame.missed;
    this.follow(frame.now - frame.base);
    for (const name of ["headline", "stream", "units", "status", "drive", "rates"]) {
      if (frame[name] === undefined) continue;
      this[name] = frame[name];
      this.versions[name] += 1;
    }
    if (frame.units) this.choose();
    if (frame.status || frame.hello) {
      this.signals = frame.status?.signals ?? [];
      this.chosenSignal = Math.max(0, Math.min(this.chosenSignal, this.signals.length - 1));
    }
    for (const line of frame.log ?? []) this.lines.set(line.id, line);
    if (frame.log) {
      this.versions.log += 1;
      for (const id of this.lines.keys()) {
        if (this.lines.size <= 200) break;
        this.lines.delete(id);
      }
    }
    const { spikes, traces } = frame;
    if (spikes) for (let i = 0; i < spikes.t.length; i++) this.spikes.push(spikes.t[i] / 1000, spikes.u[i]);
    if (traces) {
      for (let i = 0; i < traces.t.length; i++) {
        this.traces.push(traces.t[i] / 1000, traces.cst[i], traces.command[i], traces.flag[i]);
      }
    }
    for (const one of frame.params ?? []) this.params.set(one.row, one);
    if (frame.muap) {
      this.muap = frame.muap;
      this.versions.muap += 1;
    }
    if (frame.signal) this.signal.take(frame.signal, this.signalHole(frame.signal.number));
    if (frame.emg) this.emg.take(frame.emg);
  }

  // Keep the choices within what there is.
  choose() {
    this.unit = Math.max(0, Math.min(this.unit, this.units.rows.length - 1));
    const columns = this.columns();
    if (!columns.includes(this.column)) this.column = columns[columns.length >> 1] ?? 0;
  }

  // How the signal that is shown is doing.
  signalEntry() {
    return this.signals[this.signal.number] ?? this.signals[this.chosenSignal];
  }

  // So long, in s, none may come of it.
  signalHole(number = this.signal.number) {
    return Math.max(HOLE, 3 / (this.signals[number]?.fs || Infinity));
  }

  columns() {
    return [...new Set(this.units?.electrodes?.col ?? [])].sort((a, b) => a - b);
  }

  unitId() {
    return this.units?.rows[this.unit]?.id ?? -1;
  }

  live() {
    return this.headline.word.startsWith("Live");
  }
}
