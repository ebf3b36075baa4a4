// How long a sample takes to its message: a histogram over both axes' powers of ten.
import { Stage } from "./stage.js";
import { number } from "./tables.js";
import { theme } from "./theme.js";

const LEFT = 8, RIGHT = 8, BOTTOM = 20, TOP = 4;
const QUANTILES = [["p50", "p50"], ["p99", "p99"], ["p99.9", "p999"]];

export class Latency {
  constructor(canvas, model) {
    this.stage = new Stage(canvas);
    this.model = model;
    this.drawn = "";
    this.values = document.getElementById("quantiles");
    for (const [name] of QUANTILES) {
      const one = document.createElement("div");
      one.append(document.createElement("dt"), document.createElement("dd"));
      one.firstChild.textContent = name;
      this.values.append(one);
    }
  }

  draw() {
    const { stage, model } = this;
    if (!stage.ready()) return;
    const now = `${stage.version} ${model.versions.status}`;
    if (now === this.drawn) return;
    this.drawn = now;
    const told = model.status?.latency;
    stage.clear();
    const any = Boolean(told && told.hist.length);
    QUANTILES.forEach(([, key], k) => {
      this.values.children[k].lastChild.textContent = any ? number(told[key], told[key] < 10 ? 2 : 1) : "–";
    });
    if (any) this.histogram(told);
    else stage.text("no sample yet", stage.width / 2, stage.height / 2, { align: "center" });
  }

  histogram(told) {
    const { stage } = this;
    const pen = stage.context;
    const edges = told.hist.map(([edge]) => edge);
    const least = Math.log10(Math.min(0.5, ...edges) / 1.06), most = Math.log10(Math.max(10, ...edges) * 1.3);
    const wide = stage.width - LEFT - RIGHT, floor = stage.height - BOTTOM;
    const x = (ms) => LEFT + (wide * (Math.log10(ms) - least)) / (most - least);
    const tallest = Math.log10(1 + Math.max(...told.hist.map(([, count]) => count)));
    for (let power = Math.floor(least); power <= most; power++) {
      for (const step of [1, 2, 5]) {
        const ms = step * 10 ** power;
        if (x(ms) < LEFT || x(ms) > LEFT + wide) continue;
        pen.fillStyle = theme.line;
        pen.fillRect(Math.round(x(ms)), TOP, 1, floor - TOP);
        const wideEnough = (wide / (most - least)) * 0.3 > 1.6 * theme.rem;
        if (step === 1 || wideEnough) stage.text(String(Number(ms.toPrecision(2))), x(ms), floor + 4, { align: "center", base: "top", size: 0.8 });
      }
    }
    pen.fillStyle = theme.drive;
    for (const [edge, count] of told.hist) {
      const high = ((floor - TOP) * Math.log10(1 + count)) / tallest;
      pen.fillRect(x(edge / 1.06), floor - high, Math.max(1, x(edge) - x(edge / 1.06) - 0.5), high);
    }
    pen.fillStyle = theme.zone;
    for (const [, key] of QUANTILES) pen.fillRect(Math.round(x(told[key])) - 1, TOP, 2, floor - TOP);
  }
}
