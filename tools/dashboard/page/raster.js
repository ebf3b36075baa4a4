// Discharges of the last minute, or less, one row a unit; beside them each unit's number and rate.
import { NOT_LIVE } from "./model.js";
import { Roll } from "./roll.js";
import { Stage } from "./stage.js";
import { hatch, theme, unitColour } from "./theme.js";

// Room beside the time axis, px; the drive's plots have the same.
export const left = () => Math.round(4 * theme.rem);
export const right = () => Math.round(7.4 * theme.rem);
export const AHEAD = 1; // s that are ready for what comes early
const FULL_RATE = 40; // pulses/s of a full bar

export class Raster {
  constructor(canvas, model) {
    this.stage = new Stage(canvas);
    this.model = model;
    this.roll = new Roll();
    this.drawn = ""; // what the picture was begun for
    this.shown = this.labelled = "";
    this.next = 0; // number of the next discharge to draw
  }

  rows() {
    return Math.max(1, this.model.units?.rows.length ?? 1);
  }

  rowAt(y) {
    return Math.floor((y / this.stage.height) * this.rows());
  }

  begin(version, now) {
    const { stage } = this;
    this.drawn = version;
    this.plot = stage.width - left() - right();
    this.roll.begin(this.plot * stage.scale, stage.height * stage.scale, this.model.span, AHEAD, now);
    this.next = this.model.spikes.first();
    this.pattern = hatch(stage.context, 1);
    this.shown = this.labelled = "";
  }

  // Add the discharges that have come.
  advance(now) {
    const { roll, stage } = this;
    const { spikes } = this.model;
    const { pen } = roll;
    roll.turn(now);
    const count = this.rows();
    const tall = roll.high / count;
    const bar = Math.max(1, Math.round(tall * (tall > 9 * stage.scale ? 0.68 : 0.82)));
    const thick = Math.max(1, Math.round((this.model.span > 30 ? 1 : 1.6) * stage.scale));
    this.next = Math.max(this.next, spikes.first());
    for (; this.next < spikes.head; this.next++) {
      const place = spikes.at(this.next);
      const column = roll.column(spikes.t[place]);
      const row = spikes.row[place];
      if (column > roll.last || column < roll.first() || row >= count) continue;
      pen.fillStyle = unitColour(row);
      pen.fillRect(roll.place(column), Math.round((row + 0.5) * tall - bar / 2), thick, bar);
    }
  }

  draw(now) {
    const { stage, model, roll } = this;
    if (!stage.ready()) return;
    const version = `${stage.version} ${model.versions.data} ${this.rows()} ${model.span}`;
    if (version !== this.drawn) this.begin(version, now);
    const shown = `${roll.column(now)} ${model.unit} ${model.versions.units}`;
    if (shown !== this.shown) this.picture(now);
    const labelled = `${model.versions.rates} ${model.unit} ${model.versions.units} ${model.live()}`;
    if (labelled !== this.labelled) this.labels();
    this.shown = shown;
    this.labelled = labelled;
  }

  // An empty part of the panel, from x on, with the chosen unit's row.
  ground(x, width) {
    const { stage, model } = this;
    stage.clear(x, 0, width);
    if (!model.units) return;
    const tall = stage.height / this.rows();
    stage.context.fillStyle = theme.mark;
    stage.context.fillRect(x, model.unit * tall, width, tall);
  }

  picture(now) {
    const { stage, plot } = this;
    const pen = stage.context;
    this.advance(now);
    this.ground(left(), plot + 1);
    pen.fillStyle = theme.line;
    for (let k = 0; k <= 6; k++) pen.fillRect(Math.round(left() + (plot * k) / 6), 0, 1, stage.height);
    this.shade(pen, now);
    this.roll.copy(stage, now, left(), 0);
    if (!this.model.units?.rows.length) stage.text("waiting for units", stage.width / 2, stage.height / 2, { align: "center", size: 1.2 });
  }

  shade(pen, now) {
    const { plot } = this;
    const { span, traces } = this.model;
    for (const [from, to, flag] of traces.doubts(now, span)) {
      const x = left() + plot * Math.max(0, 1 - (now - from) / span);
      const width = left() + plot * Math.min(1, 1 - (now - to) / span) - x;
      if (width <= 0) continue;
      pen.fillStyle = flag === NOT_LIVE ? this.pattern : theme.mark;
      pen.fillRect(x, 0, width, this.stage.height);
    }
  }

  labels() {
    const { stage, model } = this;
    const rows = model.units?.rows ?? [];
    const tall = stage.height / this.rows();
    const every = Math.max(1, Math.ceil((0.95 * theme.rem) / tall));
    const rates = (model.live() && model.rates) || [];
    const begin = stage.width - right() + theme.rem;
    const room = right() - theme.rem - (every === 1 ? 2.7 * theme.rem : 4);
    this.ground(0, left());
    this.ground(left() + this.plot + 1, right());
    for (let row = 0; row < rows.length; row++) {
      const y = (row + 0.5) * tall;
      const chosen = row === model.unit;
      const colour = chosen ? theme.ink : theme.soft;
      if (row % every === 0) {
        const inside = Math.max(0.5 * theme.rem, Math.min(stage.height - 0.5 * theme.rem, y));
        stage.text(String(rows[row].id), left() - theme.rem, inside, { align: "right", colour, weight: chosen ? 700 : 400 });
      }
      const rate = rates[row] ?? 0;
      stage.context.fillStyle = unitColour(row);
      stage.context.fillRect(begin, y - tall * 0.3, Math.max(0, Math.min(1, rate / FULL_RATE)) * room, tall * 0.6);
      if (every === 1 && rates.length) stage.text(rate.toFixed(1), stage.width, y, { align: "right", colour, weight: chosen ? 700 : 400 });
    }
  }
}
