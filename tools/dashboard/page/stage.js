// A canvas that follows its place in the page, in device pixels; what it does not draw on has the panel's colour.
import { theme } from "./theme.js";

const MOST_SCALE = 2; // device pixels a pixel of the page: finer ones cost and are not seen

export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.width = this.height = 0;
    this.scale = 1;
    this.version = 0; // grows when size or colours change
    this.seenTheme = -1;
    this.wanted = null;
    new ResizeObserver(([entry]) => (this.wanted = entry.contentRect)).observe(canvas.parentElement);
  }

  // Whether there is something to draw on; to be called before drawing.
  ready() {
    if (this.wanted !== null || this.seenTheme !== theme.version) {
      const scale = Math.min(MOST_SCALE, devicePixelRatio || 1);
      const size = this.wanted ?? { width: this.width, height: this.height };
      this.wanted = null;
      this.seenTheme = theme.version;
      this.scale = scale;
      this.width = Math.floor(size.width);
      this.height = Math.floor(size.height);
      this.canvas.width = Math.round(this.width * scale);
      this.canvas.height = Math.round(this.height * scale);
      // whole pixels: to stretch a picture by a part of one blurs it and costs
      this.canvas.style.width = `${this.width}px`;
      this.canvas.style.height = `${this.height}px`;
      this.context.setTransform(scale, 0, 0, scale, 0, 0);
      this.clear();
      this.version += 1;
    }
    return this.width > 40 && this.height > 20;
  }

  clear(x = 0, y = 0, width = this.width - x, height = this.height - y) {
    this.context.fillStyle = theme.panel;
    this.context.fillRect(x, y, width, height);
  }

  text(words, x, y, { align = "left", colour = theme.soft, size = 0.85, weight = 400, base = "middle" } = {}) {
    const pen = this.context;
    pen.font = `${weight} ${(size * theme.rem).toFixed(1)}px ${theme.font}`;
    pen.textAlign = align;
    pen.textBaseline = base;
    pen.fillStyle = colour;
    pen.fillText(words, x, y);
  }
}
