// Filtered EMG of one grid column, a trace a channel.
import { Roll } from "./roll.js";
import { Stage } from "./stage.js";
import { hatch, theme } from "./theme.js";

const LEFT = 40, RIGHT = 14;
const BEYOND = 3; // px that a trace may reach beyond its points
const SLACK = 0.6; // of the scale may be unused before it follows
const LOOK = 15; // frames between two looks at how much is

function step(value) {
  const size = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)));
  return [1, 2, 5, 10].map((one) => one * size).find((one) => one >= value);
}

export class EmgView {
  constructor(canvas, model) {
    this.stage = new Stage(canvas);
    this.model = model;
    this.roll = new Roll();
    this.reach = 10; // uV between neighbouring traces
    this.looked = 0;
    this.drawn = this.shown = "";
    this.words = canvas.closest("section").querySelector("small");
  }

  draw() {
    const { stage, model } = this;
    const { emg } = model;
    if (!stage.ready()) return;
    if (emg.rows.length === 0 || emg.head === 0) {
      this.nothing();
      return;
    }
    this.follow(emg);
    const bad = new Set([...(model.status?.bad ?? []), ...(model.status?.masked ?? [])]);
    const flags = emg.channels.map((channel) => bad.has(channel));
    const version = `${stage.version} ${emg.begun} ${this.reach} ${flags}`;
    if (version !== this.drawn) this.begin(emg, flags);
    this.drawn = version;
    const shown = `${version} ${emg.head} ${model.live()}`;
    if (shown === this.shown) return;
    this.shown = shown;
    this.add(emg, flags);
    stage.clear(LEFT, 0, this.wide + 1);
    this.roll.copy(stage, emg.head, LEFT, 0);
    if (model.live()) return;
    stage.context.fillStyle = hatch(stage.context, 1);
    stage.context.fillRect(LEFT, 0, this.wide, stage.height);
  }

  nothing() {
    const { stage, model } = this;
    const why = model.units && !model.units.electrodes ? "this pipeline does not say where its electrodes are" : "no EMG yet";
    const shown = `${stage.version} ${why}`;
    if (shown === this.shown) return;
    this.shown = shown;
    this.drawn = "";
    stage.clear();
    stage.text(why, stage.width / 2, stage.height / 2, { align: "center" });
  }

  // An empty picture, with the channels' numbers and the scale beside it.
  begin(emg, flags) {
    const { stage, roll } = this;
    this.wide = Math.max(10, stage.width - LEFT - RIGHT);
    this.tall = (stage.height - 14) / emg.rows.length;
    roll.begin(this.wide * stage.scale, stage.height * stage.scale, emg.bins, BEYOND, emg.head);
    this.reached = Math.max(0, emg.head - emg.bins); // the bin up to which all is painted
    stage.clear();
    const every = Math.max(1, Math.ceil((0.9 * theme.rem) / this.tall));
    flags.forEach((flagged, k) => {
      const crowded = flags.some((one, other) => one && Math.abs(other - k) < every);
      if (!flagged && (k % every !== 0 || crowded)) return;
      const colour = flagged ? theme.bad : theme.soft;
      stage.text(`${emg.channels[k]}${flagged ? " ×" : ""}`, LEFT - 7, this.middle(k), { align: "right", colour, size: 0.8 });
    });
    this.bar();
  }

  middle(k) {
    return 7 + (k + 0.5) * this.tall;
  }

  // The scale follows the largest trace, up at once and down by and by.
  follow(emg) {
    const every = this.looked++ % LOOK === 0 || emg.begun !== this.lookedAt;
    this.lookedAt = emg.begun;
    const most = this.most(emg, every ? emg.head - emg.bins : this.reached - 1);
    const wanted = Math.max(1, 0.75 * most);
    if (wanted > this.reach) this.reach = 1.1 * wanted;
    else if (every && wanted < SLACK * this.reach) this.reach = Math.max(1.1 * wanted, 0.75 * this.reach);
  }

  most(emg, from) {
    const count = emg.rows.length;
    let most = 0;
    for (let bin = Math.max(0, from, emg.head - emg.bins); bin < emg.head; bin++) {
      const place = (bin % emg.bins) * count;
      for (let k = 0; k < count; k++) {
        const reach = emg.high[place + k] - emg.low[place + k];
        if (reach > most) most = reach;
      }
    }
    return most;
  }

  // Paint the bins that have come.
  add(emg, flags) {
    const { roll, stage } = this;
    const beyond = Math.ceil(BEYOND * stage.scale);
    roll.turn(emg.head);
    roll.paint(roll.column(this.reached) - beyond, roll.column(emg.head) + 1, (pen, begin, end) => {
      pen.lineWidth = stage.scale;
      const first = Math.floor((begin - beyond) / roll.pace), last = Math.ceil((end + beyond) / roll.pace);
      flags.forEach((flagged, k) => {
        pen.strokeStyle = flagged ? theme.bad : theme.wave;
        this.trace(pen, emg, k, Math.max(first, emg.head - emg.bins, 0), Math.min(last, emg.head), begin);
      });
    });
    this.reached = emg.head;
  }

  trace(pen, emg, k, first, last, begin) {
    const { scale } = this.stage;
    const count = emg.rows.length;
    const base = this.middle(k) * scale, px = (this.tall / this.reach) * scale;
    pen.beginPath();
    let down = false;
    for (let bin = first; bin < last; bin++) {
      const place = (bin % emg.bins) * count + k;
      const low = emg.low[place], high = emg.high[place];
      if (Number.isNaN(low)) {
        down = false;
        continue;
      }
      const x = bin * this.roll.pace - begin;
      if (down) pen.lineTo(x, base - high * px);
      else pen.moveTo(x, base - high * px);
      pen.lineTo(x, base - low * px);
      down = true;
    }
    pen.stroke();
  }

  // A bar beside the traces, two of them apart or a little less; the heading says how much it is.
  bar() {
    const { stage } = this;
    const size = step(0.8 * this.reach);
    const high = (size * this.tall) / this.reach;
    stage.context.fillStyle = theme.ink;
    stage.context.fillRect(stage.width - 5, stage.height - 4 - high, 3, high);
    const words = `last 2 s; bar ${size} µV`;
    if (this.words.textContent !== words) this.words.textContent = words;
  }
}
