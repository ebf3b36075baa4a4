// A unit's average waveform over the grid, with innervation zone and conduction velocity and how sure they are.
import { Stage } from "./stage.js";
import { theme, unitColour } from "./theme.js";

const LEFT = 44, TOP = 8, BOTTOM = 8, RIGHT = 4;
const DENSE = 4; // points of a line a device pixel; what has more is drawn as its least and greatest

// The samples that show on so many pixels: all, or of each pixel's the first, the least, the greatest and the last.
function outline(wave, pixels) {
  const all = [...wave.keys()];
  if (wave.length <= DENSE * pixels) return all;
  const kept = [];
  for (let pixel = 0; pixel < pixels; pixel++) {
    const some = all.slice(Math.floor((pixel * wave.length) / pixels), Math.floor(((pixel + 1) * wave.length) / pixels));
    const least = some.reduce((one, k) => (wave[k] < wave[one] ? k : one));
    const greatest = some.reduce((one, k) => (wave[k] > wave[one] ? k : one));
    kept.push(...new Set([some[0], Math.min(least, greatest), Math.max(least, greatest), some[some.length - 1]]));
  }
  return kept;
}

export class MapView {
  constructor(canvas, model) {
    this.stage = new Stage(canvas);
    this.model = model;
    this.drawn = this.waved = "";
    this.picture = new OffscreenCanvas(1, 1); // of the waveforms, which are drawn seldom and cost most
    this.known = undefined; // parameters of the unit that is drawn
  }

  draw() {
    const { stage, model } = this;
    if (!stage.ready()) return;
    const known = model.params.get(model.unit);
    const now = `${stage.version} ${model.versions.muap} ${model.versions.units} ${model.unit}`;
    if (now === this.drawn && known === this.known) return;
    this.drawn = now;
    this.known = known;
    stage.clear();
    const electrodes = model.units?.electrodes;
    if (!electrodes || !model.muap || model.muap.unit !== model.unitId()) {
      stage.text(model.units ? "no waveform yet" : "waiting for units", stage.width / 2, stage.height / 2, { align: "center" });
      return;
    }
    this.place(electrodes);
    this.axis(electrodes);
    if (known && known.iz !== null) this.zone(known);
    this.waves(electrodes, model.muap);
    stage.context.drawImage(this.picture, 0, 0, stage.width, stage.height);
    if (known && known.iz !== null && known.cv !== null) this.arrivals(electrodes, model.muap, known);
  }

  place(electrodes) {
    const { stage } = this;
    this.rowTall = (stage.height - TOP - BOTTOM) / electrodes.grid_rows;
    this.columnWide = (stage.width - LEFT - RIGHT) / electrodes.grid_cols;
    this.mm = this.rowTall / electrodes.ied_mm; // px
    this.middle = TOP + (stage.height - TOP - BOTTOM) / 2;
  }

  y(mm) {
    return this.middle + mm * this.mm;
  }

  axis(electrodes) {
    const { stage } = this;
    const reach = ((electrodes.grid_rows - 1) / 2) * electrodes.ied_mm;
    const steps = [5, 10, 20, 25, 50, 100];
    const step = steps.find((one) => one * this.mm > 1.9 * theme.rem) ?? 100;
    for (let mm = -Math.floor(reach / step) * step; mm <= reach; mm += step) {
      stage.context.fillStyle = theme.line;
      stage.context.fillRect(LEFT, Math.round(this.y(mm)), stage.width - LEFT - RIGHT, 1);
      stage.text(`${mm}${mm === 0 ? " mm" : ""}`, LEFT - 6, this.y(mm), { align: "right", size: 0.8 });
    }
  }

  zone(known) {
    const { stage, model } = this;
    const pen = stage.context;
    const wide = stage.width - LEFT - RIGHT;
    const half = model.ninety * (known.iz_sd ?? 0);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, TOP, wide, stage.height - TOP - BOTTOM);
    pen.clip();
    pen.fillStyle = theme.zone;
    pen.globalAlpha = 0.22;
    pen.fillRect(LEFT, this.y(known.iz - half), wide, Math.max(1, 2 * half * this.mm));
    pen.globalAlpha = 1;
    pen.fillRect(LEFT, this.y(known.iz) - 1, wide, 2);
    pen.restore();
  }

  waves(electrodes, muap) {
    const { stage, model } = this;
    const now = `${stage.version} ${model.versions.muap} ${model.versions.units} ${model.unit}`;
    if (now === this.waved) return;
    this.waved = now;
    [this.picture.width, this.picture.height] = [stage.canvas.width, stage.canvas.height];
    const pen = this.picture.getContext("2d");
    pen.scale(stage.scale, stage.scale);
    this.reach = 1e-6;
    this.strongest = 0;
    muap.waveform.forEach((wave, channel) => {
      const reach = Math.max(...wave) - Math.min(...wave);
      if (reach > this.reach) [this.reach, this.strongest] = [reach, channel];
    });
    const high = Math.min(1.9 * this.rowTall, 60);
    const wide = 0.92 * this.columnWide;
    pen.lineWidth = 1.3;
    pen.lineJoin = "round";
    pen.strokeStyle = unitColour(model.unit);
    muap.waveform.forEach((wave, channel) => {
      const left = LEFT + electrodes.col[channel] * this.columnWide + 0.04 * this.columnWide;
      const base = TOP + (electrodes.row[channel] + 0.5) * this.rowTall;
      const px = wide / Math.max(1, wave.length - 1);
      pen.beginPath();
      for (const k of outline(wave, Math.max(1, Math.floor(wide * stage.scale)))) {
        pen.lineTo(left + px * k, base - (wave[k] / this.reach) * high);
      }
      pen.stroke();
    });
  }

  // When the potential passes each row of the strongest column: at the zone first, then at the velocity. The
  // time at the zone is the one that fits the waveforms' greatest values best, strong ones counting more.
  arrivals(electrodes, muap, known) {
    const column = electrodes.col[this.strongest];
    const length = muap.waveform[0].length;
    const lean = (row, cv) => (Math.abs((row - (electrodes.grid_rows - 1) / 2) * electrodes.ied_mm - known.iz) / 1000 / cv) * muap.fs;
    const sign = this.sign(muap.waveform[this.strongest]);
    let weight = 0, start = 0;
    muap.waveform.forEach((wave, channel) => {
      if (electrodes.col[channel] !== column) return;
      let peak = 0;
      wave.forEach((value, k) => (sign * value > sign * wave[peak] ? (peak = k) : null));
      const heavy = Math.max(0, sign * wave[peak]) ** 2;
      weight += heavy;
      start += heavy * (peak - lean(electrodes.row[channel], known.cv));
    });
    if (weight === 0) return;
    start /= weight;
    const half = this.model.ninety * (known.cv_sd ?? 0);
    const rows = electrodes.row.filter((_, channel) => electrodes.col[channel] === column).sort((a, b) => a - b);
    const left = LEFT + (column + 0.04) * this.columnWide;
    const x = (k) => left + (0.92 * this.columnWide * k) / Math.max(1, length - 1);
    const path = (cv) => this.path(electrodes, rows, known.iz, (row) => x(start + lean(row, cv)));
    const pen = this.stage.context;
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, 0.92 * this.columnWide, this.stage.height);
    pen.clip();
    pen.strokeStyle = theme.zone;
    pen.lineWidth = 1;
    pen.setLineDash([2, 3]);
    if (half > 0) for (const cv of [Math.max(0.3, known.cv - half), known.cv + half]) pen.stroke(path(cv));
    pen.setLineDash([]);
    pen.lineWidth = 2;
    pen.stroke(path(known.cv));
    pen.restore();
  }

  path(electrodes, rows, zone, x) {
    const zoneRow = zone / electrodes.ied_mm + (electrodes.grid_rows - 1) / 2;
    const inside = rows.length && zoneRow > rows[0] && zoneRow < rows[rows.length - 1];
    const stops = inside ? [...rows, zoneRow].sort((a, b) => a - b) : rows;
    const path = new Path2D();
    stops.forEach((row, k) => path[k === 0 ? "moveTo" : "lineTo"](x(row), TOP + (row + 0.5) * this.rowTall));
    return path;
  }

  sign(wave) {
    return Math.max(...wave) >= -Math.min(...wave) ? 1 : -1;
  }
}
