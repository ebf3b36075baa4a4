// A picture of what came last, as wide as the time in view: everything is painted once, in columns of device pixels
// that come round again, and then only copied. Time is in seconds, or in whatever else `span` counts.
export class Roll {
  constructor() {
    this.picture = new OffscreenCanvas(1, 1);
    this.pen = this.picture.getContext("2d");
    this.wide = this.high = 1;
  }

  // Begin with an empty picture of `span` up to `now`; `ahead` of it are columns for what comes early.
  begin(wide, high, span, ahead, now) {
    this.wide = Math.max(10, Math.round(wide));
    this.high = Math.max(1, Math.round(high));
    this.pace = this.wide / span; // columns a second
    this.ahead = ahead;
    this.picture.width = this.wide + Math.ceil(ahead * this.pace) + 1;
    this.picture.height = this.high;
    this.last = this.column(now + ahead);
  }

  column(t) {
    return Math.floor(t * this.pace);
  }

  first() {
    return this.last - this.picture.width + 1;
  }

  place(column) {
    const { width } = this.picture;
    return ((column % width) + width) % width;
  }

  // Columns from `from` to `to`, in one or two stretches that lie side by side in the picture.
  stretches(from, to, take) {
    for (let begin = Math.max(from, this.first()); begin < to; ) {
      const place = this.place(begin);
      const end = Math.min(to, begin + this.picture.width - place);
      take(place, begin, end);
      begin = end;
    }
  }

  // Wipe what comes round again.
  turn(now) {
    const before = this.last;
    this.last = Math.max(before, this.column(now + this.ahead));
    this.stretches(before + 1, this.last + 1, (place, from, to) => this.pen.clearRect(place, 0, to - from, this.high));
  }

  // Paint some columns anew: draw(pen, from, to) draws what they show, x = 0 being the column `from`.
  paint(from, to, draw) {
    const { pen } = this;
    this.stretches(from, Math.min(to, this.last + 1), (place, begin, end) => {
      pen.save();
      pen.beginPath();
      pen.rect(place, 0, end - begin, this.high);
      pen.clip();
      pen.clearRect(place, 0, end - begin, this.high);
      pen.translate(place, 0);
      draw(pen, begin, end);
      pen.restore();
    });
  }

  // Copy the time in view to a place on a stage.
  copy(stage, now, x, y) {
    const pen = stage.context;
    const left = Math.round(x * stage.scale), top = Math.round(y * stage.scale);
    const begin = this.column(now) - this.wide + 1;
    pen.save();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.imageSmoothingEnabled = false;
    this.stretches(begin, begin + this.wide, (place, from, to) => {
      pen.drawImage(this.picture, place, 0, to - from, this.high, left + from - begin, top, to - from, this.high);
    });
    pen.restore();
  }
}
