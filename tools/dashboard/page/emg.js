// Filtered EMG of one grid column, a trace a channel.
import { Stage } from "./stage.js";
import { hatch, theme } from "./theme.js";

const LEFT = 40, RIGHT = 14;

function step(value) {
  const size = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)));
  return [1, 2, 5, 10].map((one) => one * size).find((one) => one >= value);
}

export class EmgView {
  constructor(canvas, model) {
    this.stage = new Stage(canvas);
    this.model = model;
    this.reach = 10; // uV between neighbouring traces
    this.words = canvas.closest("section").querySelector("small");
  }

  draw() {
    const { stage, model } = this;
    const { emg } = model;
    if (!stage.ready()) return;
    stage.clear();
    const count = emg.rows.length;
    if (count === 0 || emg.head === 0) {
      const why = model.units && !model.units.electrodes ? "this pipeline does not say where its electrodes are" : "no EMG yet";
      stage.text(why, stage.width / 2, stage.height / 2, { align: "center" });
      return;
    }
    this.follow(emg);
    const tall = (stage.height - 14) / count;
    const bad = new Set([...(model.status?.bad ?? []), ...(model.status?.masked ?? [])]);
    const every = Math.max(1, Math.ceil((0.9 * theme.rem) / tall));
    const flags = emg.channels.map((channel) => bad.has(channel));
    for (let k = 0; k < count; k++) {
      const y = 7 + (k + 0.5) * tall;
      const flagged = flags[k];
      this.trace(emg, k, y, tall, flagged ? theme.bad : theme.wave);
      const crowded = flags.some((one, other) => one && Math.abs(other - k) < every);
      if (flagged || (k % every === 0 && !crowded)) {
        const colour = flagged ? theme.bad : theme.soft;
        stage.text(`${emg.channels[k]}${flagged ? " ×" : ""}`, LEFT - 7, y, { align: "right", colour, size: 0.8 });
      }
    }
    this.bar(tall);
    if (!model.live()) {
      stage.context.fillStyle = hatch(stage.context, 1);
      stage.context.fillRect(LEFT, 0, stage.width - LEFT - RIGHT, stage.height);
    }
  }

  // The scale follows the largest trace, up at once and down slowly.
  follow(emg) {
    let most = 0;
    const from = Math.max(0, emg.head - emg.bins);
    for (let bin = from; bin < emg.head; bin += 2) {
      const place = (bin % emg.bins) * emg.rows.length;
      for (let k = 0; k < emg.rows.length; k++) {
        const reach = emg.high[place + k] - emg.low[place + k];
        if (reach > most) most = reach;
      }
    }
    const wanted = Math.max(1, 0.75 * most);
    this.reach = wanted > this.reach ? wanted : this.reach + 0.02 * (wanted - this.reach);
  }

  trace(emg, k, y, tall, colour) {
    const { stage } = this;
    const pen = stage.context;
    const count = emg.rows.length;
    const wide = stage.width - LEFT - RIGHT;
    const px = tall / this.reach;
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.beginPath();
    let down = false;
    for (let bin = Math.max(0, emg.head - emg.bins); bin < emg.head; bin++) {
      const place = (bin % emg.bins) * count + k;
      const low = emg.low[place], high = emg.high[place];
      if (Number.isNaN(low)) {
        down = false;
        continue;
      }
      const x = LEFT + wide * (1 - (emg.head - bin) / emg.bins);
      if (down) pen.lineTo(x, y - high * px);
      else pen.moveTo(x, y - high * px);
      pen.lineTo(x, y - low * px);
      down = true;
    }
    pen.stroke();
  }

  // A bar beside the traces, two of them apart or a little less; the heading says how much it is.
  bar(tall) {
    const { stage } = this;
    const size = step(0.8 * this.reach);
    const high = (size * tall) / this.reach;
    stage.context.fillStyle = theme.ink;
    stage.context.fillRect(stage.width - 5, stage.height - 4 - high, 3, high);
    const words = `last 2 s; bar ${size} µV`;
    if (this.words.textContent !== words) this.words.textContent = words;
  }
}
