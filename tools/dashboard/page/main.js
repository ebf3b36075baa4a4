// The page: takes frames, draws what has changed, at most 30 times a second, and says to its server what it shows.
import { EmgView } from "./emg.js";
import { Latency } from "./latency.js";
import { MapView } from "./map.js";
import { Model } from "./model.js";
import { Pace } from "./pace.js";
import { Drive, UnitRate } from "./plots.js";
import { Raster } from "./raster.js";
import { Socket } from "./socket.js";
import { Stats } from "./stats.js";
import { Facts, Head, Log, Quality, signalName } from "./tables.js";

const SLOW = { table: 1000, others: 200 }; // ms between two looks at what is words and numbers

const stats = new Stats();
const pace = new Pace();
const model = new Model();
const canvas = (panel) => document.querySelector(`#${panel} canvas`);
const raster = new Raster(canvas("raster"), model);
const drive = new Drive(model);
const rate = new UnitRate(model);
const quality = new Quality(model, chooseUnit);
const slow = [
  seldom(SLOW.others, new Head(model, pace)), seldom(SLOW.others, new Facts(model)), seldom(SLOW.table, quality),
  seldom(SLOW.others, new Log(model)), seldom(SLOW.others, new Latency(canvas("latency"), model)),
];
const emg = new EmgView(canvas("emg"), model);
const map = new MapView(document.getElementById("map"), model);
const unitChoice = document.getElementById("unit-choice");
const spanChoice = document.getElementById("span-choice");
const columnChoice = document.getElementById("column-choice");
const signalChoice = document.getElementById("signal-choice");

const socket = new Socket(
  (frame) => {
    model.take(frame);
    if (frame.units) offer();
    if (frame.status || frame.hello) offerSignals();
    wish();
  },
  () => {
    model.headline = { level: "bad", word: "No server", sentence: "The dashboard's own server has ended: start `myodrive dashboard` again." };
  },
);

function wish() {
  socket.want({ seen: !document.hidden, unit: model.unitId(), column: Math.max(0, model.column), signal: model.chosenSignal, rate: pace.rate });
}

// Draw every so many milliseconds only, or at once when another unit is chosen or the state is another.
function seldom(every, one) {
  let due = 0, unit = model.unit, state = 0;
  return (time) => {
    if (time < due && unit === model.unit && state === model.versions.headline) return;
    [due, unit, state] = [time + every, model.unit, model.versions.headline];
    one.draw();
  };
}

function fill(select, values, chosen) {
  if ([...select.options].map((option) => option.text).join() !== values.join()) {
    select.replaceChildren(...values.map((value) => new Option(value, value)));
  }
  if (values.length) select.selectedIndex = chosen;
}

function offer() {
  fill(unitChoice, (model.units?.rows ?? []).map((row) => String(row.id)), model.unit);
  const columns = model.columns();
  fill(columnChoice, columns.map(String), columns.indexOf(model.column));
}

let offered = "";

// Only where there are others: the list may be open.
function offerSignals() {
  const names = model.signals.map(({ name }) => signalName(name));
  const all = names.join("\n");
  if (all === offered) return;
  offered = all;
  fill(signalChoice, names, model.chosenSignal);
  document.getElementById("signals").hidden = names.length < 2;
}

function chooseUnit(row) {
  const count = model.units?.rows.length ?? 0;
  if (count === 0) return;
  model.unit = Math.max(0, Math.min(count - 1, row));
  offer();
  wish();
}

function chooseColumn(place) {
  const columns = model.columns();
  if (columns.length === 0) return;
  model.column = columns[Math.max(0, Math.min(columns.length - 1, place))];
  offer();
  wish();
}

unitChoice.addEventListener("change", () => chooseUnit(unitChoice.selectedIndex));
spanChoice.addEventListener("change", () => (model.span = Number(spanChoice.value)));
signalChoice.addEventListener("change", () => ((model.chosenSignal = signalChoice.selectedIndex), wish()));
columnChoice.addEventListener("change", () => chooseColumn(columnChoice.selectedIndex));
canvas("raster").addEventListener("click", (event) => chooseUnit(raster.rowAt(event.offsetY)));
document.addEventListener("visibilitychange", wish);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("select, ol")) return; // they have their own use for these keys
  const column = model.columns().indexOf(model.column);
  const keys = {
    ArrowDown: () => chooseUnit(model.unit + 1),
    ArrowUp: () => chooseUnit(model.unit - 1),
    ArrowRight: () => chooseColumn(column + 1),
    ArrowLeft: () => chooseColumn(column - 1),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

let due = 0;

function draw(time) {
  const begun = performance.now();
  due = Math.max(due, begun - pace.interval) + pace.interval; // after a late frame the next comes sooner
  setTimeout(() => requestAnimationFrame(draw), due - begun); // asked for at once, it would cost a frame between
  pace.note(begun);
  const now = model.now();
  raster.draw(now);
  drive.draw(now);
  rate.draw(now);
  emg.draw();
  map.draw();
  for (const one of slow) one(time);
  stats.note(time, performance.now() - begun);
}
requestAnimationFrame(draw);

window.myodriveStats = () => ({
  ...stats.summary(),
  messages: socket.messages, bytes: socket.bytes, spikes: model.spikes.head, now: model.now(), epoch: model.epoch,
  headline: model.headline, live: model.live(), units: model.units?.rows.length ?? 0, emg: model.emg.head,
  muap: model.muap?.unit ?? null, missed: model.missed, unit: model.unitId(), column: model.column, rate: pace.rate,
  signal: model.signal.t.length, signalShown: model.signal.number,
});
