// Colours of the page, as the system wants it light or dark; canvases read them here.
const dark = matchMedia("(prefers-color-scheme: dark)");
const NAMES = ["ground", "panel", "ink", "soft", "line", "mark", "good", "warn", "bad", "drive", "zone", "wave", "hatch"];

export const theme = { version: 0, units: ["#888888"], font: "system-ui, sans-serif", rem: 13 };

let palettes = { light: theme.units, dark: theme.units };

function read() {
  const style = getComputedStyle(document.documentElement);
  for (const name of NAMES) theme[name] = style.getPropertyValue(`--${name}`).trim();
  theme.dark = dark.matches;
  theme.rem = parseFloat(style.fontSize);
  theme.font = getComputedStyle(document.body).fontFamily;
  theme.units = dark.matches ? palettes.dark : palettes.light;
  theme.version += 1;
}

export function usePalettes(light, darkOnes) {
  palettes = { light, dark: darkOnes };
  read();
}

export function unitColour(row) {
  return theme.units[row % theme.units.length];
}

// Diagonal stripes: what is hatched cannot be relied on.
export function hatch(context, scale) {
  const size = Math.round(7 * scale);
  const tile = new OffscreenCanvas(size, size);
  const pen = tile.getContext("2d");
  pen.strokeStyle = theme.hatch;
  pen.globalAlpha = theme.dark ? 0.75 : 0.6;
  pen.lineWidth = 1.2 * scale;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

dark.addEventListener("change", read);
addEventListener("resize", read);
read();
