// How many frames a second: fewer while drawing takes much of the time, for the pipeline beside it comes first.
const RATES = [30, 20, 12, 6];
const MUCH = 0.5; // of the time
const LITTLE = 0.33; // that the next higher rate would take
const DOWN_S = 3, UP_S = 8; // how long it must be so
const MEAN_S = 1; // of the share that is judged
const EVERY = 6; // frames between two whose cost is told
const AWAY_S = 1; // a frame so late is one of a page that was not seen

export class Pace {
  constructor() {
    this.step = 0;
    this.share = 0;
    this.last = null;
    this.towards = 0; // 1: to fewer frames, -1: to more
    this.waits = 0; // s until then
    this.frames = 0;
    this.channel = new MessageChannel();
    this.channel.port1.onmessage = ({ data }) => (this.cost = performance.now() - data);
    this.cost = 0; // ms from a frame's begin until its picture is made
  }

  get rate() {
    return RATES[this.step];
  }

  get interval() {
    return 1000 / this.rate;
  }

  // A frame is being drawn, since `begun`: note how the one before went, and whether the rate is the right one.
  note(begun) {
    if (this.frames++ % EVERY === 0) this.channel.port2.postMessage(begun); // comes back when the picture is made
    const took = this.last === null ? 0 : begun - this.last;
    this.last = begun;
    if (took === 0 || took > 1000 * AWAY_S) return;
    const late = Math.max(0, took - this.interval);
    const weight = Math.min(1, took / 1000 / MEAN_S);
    this.share += weight * (Math.min(1, (this.cost + late) / this.interval) - this.share); // one long frame is only one
    const higher = this.step > 0 ? (this.share * RATES[this.step - 1]) / this.rate : Infinity;
    if (this.share > MUCH && this.step < RATES.length - 1) this.wait(took, 1);
    else if (higher < LITTLE) this.wait(took, -1);
    else this.towards = 0;
  }

  // It has been so for `took` ms more: after long enough, take the next rate.
  wait(took, by) {
    if (this.towards !== by) [this.towards, this.waits] = [by, by > 0 ? DOWN_S : UP_S];
    this.waits -= took / 1000;
    if (this.waits > 0) return;
    this.step += by;
    this.share = 0.5 * (MUCH + LITTLE);
    this.towards = 0;
  }
}
