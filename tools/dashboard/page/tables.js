// What is words and numbers: state, facts of a unit, quality of all units, latency's numbers, the log.
import { figures } from "./scale.js";
import { theme, unitColour } from "./theme.js";

const NOTHING = {};
const byId = (id) => document.getElementById(id);

// Say `text` in an element that holds nothing else.
function set(element, text) {
  const node = element.firstChild;
  if (node === null) element.textContent = text;
  else if (node.data !== text) node.data = text;
}

export function number(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
}

// A channel of the EMG's own stream has no name but its number.
export function signalName(name) {
  return /^\d+$/.test(name) ? `channel ${name}` : name;
}

function withSd(value, sd, digits) {
  const cell = document.createDocumentFragment();
  cell.append(number(value, digits));
  if (value !== null && value !== undefined && sd !== null && sd !== undefined) {
    const span = document.createElement("span");
    span.className = "sd";
    span.textContent = ` ± ${number(sd, digits)}`;
    cell.append(span);
  }
  return cell;
}

export class Head {
  constructor(model, pace) {
    this.model = model;
    this.pace = pace;
  }

  draw() {
    const { headline, stream, status, drive, missed } = this.model;
    set(byId("stream"), stream);
    const slowed = `${this.pace.rate} frames/s`;
    set(byId("slowed"), slowed);
    byId("slowed").parentElement.hidden = this.pace.step === 0;
    const state = byId("state");
    if (state.className !== headline.level) state.className = headline.level;
    set(byId("word"), headline.word);
    set(byId("sentence"), headline.sentence);
    set(byId("lost"), status ? String(status.lost) : "–");
    set(byId("late"), status ? String(status.late) : "–");
    set(byId("missed"), String(missed));
    const live = this.model.live();
    const valid = live && Boolean(drive?.valid);
    byId("drive").classList.toggle("invalid", !valid);
    set(byId("cst-now"), live && drive ? drive.cst.toFixed(0) : "–");
    set(byId("command-now"), live && drive ? drive.command.toFixed(2) : "–");
    set(byId("validity"), valid ? "valid" : "not valid");
    const made = { units: "from the units", envelope: "from the EMG envelope", none: "no source" };
    set(byId("source"), live && drive ? `${made[drive.source] ?? drive.source}, EMG ${drive.envelope.toFixed(0)} µV` : "");
    if (this.model.signals.length) this.signal();
  }

  signal() {
    const { model } = this;
    const { signal } = model;
    const { name, state, unit, reason } = model.signalEntry();
    const fresh = signal.scale !== null && model.now() - signal.newest() < model.signalHole();
    const comes = state === "on" && fresh;
    const called = signalName(name);
    set(byId("signal-name"), called);
    set(byId("signal-now"), comes ? figures(signal.value, signal.scale.step, 2) : "–");
    const below = byId("signal-unit");
    set(below, comes ? unit : state === "on" ? "nothing comes" : state);
    below.classList.toggle("lost", !comes);
    const title = reason || called;
    if (below.parentElement.title !== title) below.parentElement.title = title;
  }
}

export class Facts {
  constructor(model) {
    this.model = model;
    this.drawn = "";
  }

  draw() {
    const { model } = this;
    const known = model.params.get(model.unit) ?? NOTHING;
    const now = `${model.versions.units} ${model.unit}`;
    if (now === this.drawn && known === this.known) return;
    this.drawn = now;
    this.known = known;
    const entry = model.units?.rows[model.unit];
    const list = byId("facts");
    list.replaceChildren();
    if (!entry) return;
    const add = (name, value) => {
      const term = document.createElement("dt"), answer = document.createElement("dd");
      term.textContent = name;
      answer.append(value);
      list.append(term, answer);
    };
    add("zone, mm", withSd(known.iz, known.iz_sd, 1));
    add("velocity, m/s", withSd(known.cv, known.cv_sd, 2));
    add("silhouette", number(entry.sil, 2));
    add("PNR, dB", number(entry.pnr, 1));
    add("trust", number(entry.trust, 2));
    add("spikes used", String(known.used ?? "–"));
    if (known.reason) {
      const reason = document.createElement("dd");
      reason.className = "reason";
      reason.textContent = known.reason;
      list.append(reason);
    }
  }
}

export class Quality {
  constructor(model, choose) {
    this.model = model;
    this.body = byId("rows");
    this.made = "";
    this.drawn = "";
    this.filled = []; // by row, the parameters that stand there
    this.chosen = -1;
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) choose(Number(row.dataset.row));
    });
    this.body.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1, Home: -1e6, End: 1e6 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      choose(model.unit + step);
      this.draw();
      this.body.rows[model.unit]?.focus();
    });
  }

  make(rows) {
    this.body.replaceChildren(
      ...rows.map((entry, k) => {
        const row = document.createElement("tr");
        row.dataset.row = k;
        row.tabIndex = -1;
        row.append(...Array.from({ length: 7 }, () => document.createElement("td")));
        const swatch = document.createElement("span");
        swatch.className = "swatch";
        row.cells[0].append(swatch, String(entry.id));
        for (const place of [4, 5]) {
          const sd = document.createElement("span");
          sd.className = "sd";
          row.cells[place].append(document.createElement("span"), sd);
        }
        return row;
      }),
    );
    this.drawn = "";
    this.chosen = -1;
  }

  draw() {
    const { model } = this;
    const rows = model.units?.rows ?? [];
    const shape = rows.map((row) => row.id).join(" ");
    if (shape !== this.made) {
      this.made = shape;
      this.make(rows);
    }
    const now = `${model.versions.units} ${theme.version}`;
    if (now !== this.drawn) this.filled = [];
    this.drawn = now;
    rows.forEach((row, k) => {
      const known = model.params.get(k) ?? NOTHING;
      if (this.filled[k] === known) return;
      this.filled[k] = known;
      this.fill(this.body.rows[k].cells, row, k, known);
    });
    if (this.chosen !== model.unit && rows.length) {
      const before = this.body.rows[this.chosen], after = this.body.rows[model.unit];
      if (before) [before.ariaSelected, before.tabIndex] = ["false", -1];
      [after.ariaSelected, after.tabIndex] = ["true", 0];
      this.show(after);
      this.chosen = model.unit;
    }
  }

  // Scroll the table, not the page.
  show(row) {
    const box = this.body.closest(".scroll");
    const head = this.body.parentElement.tHead.offsetHeight;
    if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
    else if (row.offsetTop + row.offsetHeight > box.scrollTop + box.clientHeight) {
      box.scrollTop = row.offsetTop + row.offsetHeight - box.clientHeight;
    }
  }

  fill(cells, row, k, known) {
    cells[0].firstChild.style.background = unitColour(k);
    set(cells[1], number(row.sil, 2));
    set(cells[2], number(row.pnr, 1));
    set(cells[3], number(row.trust, 2));
    const trusted = row.trust < 0.5 ? "low" : "";
    if (cells[3].className !== trusted) cells[3].className = trusted;
    this.uncertain(cells[4], known.iz, known.iz_sd, 1);
    this.uncertain(cells[5], known.cv, known.cv_sd, 2);
    set(cells[6], String(known.used ?? "–"));
  }

  uncertain(cell, value, sd, digits) {
    const known = value !== null && value !== undefined && sd !== null && sd !== undefined;
    set(cell.firstChild, number(value, digits));
    set(cell.lastChild, known ? ` ± ${number(sd, digits)}` : "");
  }
}

export class Log {
  constructor(model) {
    this.model = model;
    this.list = document.querySelector("#log ol");
    this.version = -1;
    this.items = new Map();
  }

  draw() {
    const { model } = this;
    if (this.version === model.versions.log) return;
    this.version = model.versions.log;
    for (const [id, item] of this.items) {
      if (model.lines.has(id)) continue;
      item.remove();
      this.items.delete(id);
    }
    for (const line of model.lines.values()) {
      let item = this.items.get(line.id);
      if (!item) {
        item = document.createElement("li");
        item.append(document.createElement("time"), document.createElement("span"));
        this.items.set(line.id, item);
        this.list.prepend(item);
      }
      item.className = line.level;
      set(item.firstChild, line.at);
      set(item.lastChild, line.text);
    }
  }
}
