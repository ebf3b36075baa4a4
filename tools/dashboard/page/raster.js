// Discharges of the last minute, or less, one row a unit. Every discharge is drawn once, on a picture that is shifted.
import { NOT_LIVE } from "./model.js";
import { Stage } from "./stage.js";
import { hatch, theme, unitColour } from "./theme.js";

// Room beside the time axis, px; the drive's plots have the same.
export const left = () => Math.round(4 * theme.rem);
export const right = () => Math.round(7.4 * theme.rem);
const AHEAD = 1; // s of the shifted picture that are ready for discharges to come
const FULL_RATE = 40; // pulses/s of a full bar

export class Raster {
  constructor(canvas, model) {
    this.stage = new Stage(canvas);
    this.model = model;
    this.picture = document.createElement("canvas");
    this.drawn = -1; // version of what the picture was begun for
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
    this.wide = Math.max(10, Math.round((stage.width - left() - right()) * stage.scale));
    this.pace = this.wide / this.model.span; // device px a second
    this.picture.width = this.wide + Math.ceil(AHEAD * this.pace);
    this.picture.height = Math.max(1, Math.round(stage.height * stage.scale));
    this.cleared = Math.floor((now + AHEAD) * this.pace);
    this.next = this.model.spikes.first();
    this.pattern = hatch(stage.context, 1);
  }

  // Wipe what comes round again, then add the discharges that have come.
  advance(now) {
    const { spikes } = this.model;
    const pen = this.picture.getContext("2d");
    const { width, height } = this.picture;
    const until = Math.floor((now + AHEAD) * this.pace);
    const fresh = Math.min(width, until - this.cleared);
    for (let column = until - fresh + 1; column <= until; column++) {
      pen.clearRect(((column % width) + width) % width, 0, 1, height);
    }
    this.cleared = Math.max(this.cleared, until);
    const tall = height / this.rows();
    const bar = Math.max(1, Math.round(tall * (tall > 9 * this.stage.scale ? 0.68 : 0.82)));
    const thick = Math.max(1, Math.round((this.model.span > 30 ? 1 : 1.6) * this.stage.scale));
    this.next = Math.max(this.next, spikes.first());
    for (; this.next < spikes.head; this.next++) {
      const place = spikes.at(this.next);
      const column = Math.floor(spikes.t[place] * this.pace);
      const row = spikes.row[place];
      if (column > this.cleared || column <= this.cleared - width || row >= this.rows()) continue;
      pen.fillStyle = unitColour(row);
      pen.fillRect(((column % width) + width) % width, Math.round((row + 0.5) * tall - bar / 2), thick, bar);
    }
  }

  draw(now, doubts) {
    const { stage, model } = this;
    if (!stage.ready()) return;
    const version = `${stage.version} ${model.versions.data} ${this.rows()} ${model.span}`;
    if (version !== this.drawn) this.begin(version, now);
    this.advance(now);
    const pen = stage.context;
    const plot = stage.width - left() - right();
    const tall = stage.height / this.rows();
    stage.clear();
    if (model.units) {
      pen.fillStyle = theme.mark;
      pen.fillRect(0, model.unit * tall, stage.width, tall);
    }
    pen.fillStyle = theme.line;
    for (let k = 0; k <= 6; k++) pen.fillRect(Math.round(left() + (plot * k) / 6), 0, 1, stage.height);
    this.shade(pen, now, plot, doubts);
    this.shift(pen, now, plot);
    this.labels(tall);
  }

  shade(pen, now, plot, doubts) {
    const { span } = this.model;
    for (const [from, to, flag] of doubts) {
      const x = left() + plot * Math.max(0, 1 - (now - from) / span);
      const width = left() + plot * Math.min(1, 1 - (now - to) / span) - x;
      if (width <= 0) continue;
      pen.fillStyle = flag === NOT_LIVE ? this.pattern : theme.mark;
      pen.fillRect(x, 0, width, this.stage.height);
    }
  }

  // Copy the last minute of the picture, which may lie in two parts.
  shift(pen, now, plot) {
    const { picture, wide } = this;
    const last = Math.floor(now * this.pace);
    const begin = (((last - wide + 1) % picture.width) + picture.width) % picture.width;
    const first = Math.min(wide, picture.width - begin);
    const px = plot / wide;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, begin, 0, first, picture.height, left(), 0, first * px, this.stage.height);
    if (first < wide) {
      const rest = wide - first;
      pen.drawImage(picture, 0, 0, rest, picture.height, left() + first * px, 0, rest * px, this.stage.height);
    }
  }

  labels(tall) {
    const { stage, model } = this;
    const rows = model.units?.rows ?? [];
    const every = Math.max(1, Math.ceil((0.95 * theme.rem) / tall));
    const rates = (model.live() && model.drive?.rate) || [];
    const begin = stage.width - right() + theme.rem;
    const room = right() - theme.rem - (every === 1 ? 2.7 * theme.rem : 4);
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
    if (rows.length === 0) stage.text("waiting for units", stage.width / 2, stage.height / 2, { align: "center", size: 1.2 });
  }
}
