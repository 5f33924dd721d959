// Drawings on canvases: numbers in, pixels out. Colours come from the style sheet.

const MAX_NAMED = 24; // inputs whose names have room
const sheet = document.createElement("canvas"); // of pixels that are drawn larger

const style = () => getComputedStyle(document.documentElement);

/** A colour of the style sheet as [red, green, blue]. */
function colour(name) {
  const hex = style().getPropertyValue(name).trim().slice(1);
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

export function palette() {
  const names = ["paper", "raised", "line", "soft", "ink-colour", "accent", "against", "edge", "good"];
  return Object.fromEntries(names.map((name) => [name, colour(`--${name}`)]));
}

const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

/** The numbers that the server packed: bytes from -127 to 127 and a scale. */
export function unpack({ scale, data }) {
  const text = atob(data);
  return Float32Array.from(text, (c) => ((c.charCodeAt(0) << 24) >> 24) * (scale / 127));
}

/** From orange (-1) over paper (0) to blue (1). */
function side(value, colours) {
  const towards = value < 0 ? colours.against : colours.accent;
  const share = Math.min(1, Math.abs(value));
  return colours.paper.map((c, i) => c + share * (towards[i] - c));
}

/** A canvas whose pixels are the screen's, and its size in CSS pixels. */
function sized(canvas, height) {
  const density = window.devicePixelRatio || 1;
  const wide = canvas.clientWidth;
  const high = height ?? canvas.clientHeight;
  if (height) {
    canvas.style.height = `${height}px`;
  }
  if (canvas.width !== Math.round(wide * density) || canvas.height !== Math.round(high * density)) {
    canvas.width = Math.round(wide * density);
    canvas.height = Math.round(high * density);
  }
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, wide, high);
  return [context, wide, high];
}

/** Pixels of a canvas, one by one; `at(x, y)` gives their colours. */
function pixels(canvas, width, height, at) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0, i = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, i += 4) {
      const rgb = at(x, y);
      if (rgb) {
        [image.data[i], image.data[i + 1], image.data[i + 2]] = rgb;
        image.data[i + 3] = 255;
      }
    }
  }
  context.putImageData(image, 0, 0);
}

/** The weights of each hidden unit as a picture of 8x8; below it how strongly it answers. */
export function tiles(canvas, kernel, count, dead, units, colours) {
  const side8 = 8;
  const [gap, below] = [1, 2];
  const columns = Math.min(count, count > 60 ? 16 : count > 12 ? 6 : 4);
  const [cell, tall] = [side8 + gap, side8 + gap + below];
  const top = Math.max(...units ?? [0], 1e-9);
  const tile = (unit) => {
    const own = kernel.subarray(unit * 64, unit * 64 + 64);
    return [own, own.reduce((most, weight) => Math.max(most, Math.abs(weight)), 1e-9)];
  };
  const found = Array.from({ length: count }, (_, unit) => tile(unit));
  const gone = new Set(dead);
  canvas.style.height = "";
  pixels(canvas, columns * cell - gap, Math.ceil(count / columns) * tall - gap, (x, y) => {
    const unit = Math.floor(y / tall) * columns + Math.floor(x / cell);
    const [px, py] = [x % cell, y % tall];
    if (unit >= count || px >= side8) {
      return null;
    }
    if (py < side8) {
      const [own, most] = found[unit];
      // A dead unit is hatched: its picture no longer says anything.
      return gone.has(unit) && (px + py) % 3 === 0 ? colours.edge : side(own[py * side8 + px] / most, colours);
    }
    return units && py === side8 && px < Math.round((units[unit] / top) * side8) ? colours.good : null;
  });
}

/** A layer's weights as a matrix: a row for each input with its name, a column for each unit. */
export function matrix(canvas, kernel, names, colours) {
  const named = names.length <= MAX_NAMED;
  const [context, wide, high] = sized(canvas, Math.min(420, Math.max(160, names.length * 22)));
  const left = named ? Math.min(150, wide / 3) : 0;
  const units = kernel.length / names.length;
  const most = kernel.reduce((top, weight) => Math.max(top, Math.abs(weight)), 1e-9);
  pixels(sheet, units, names.length, (x, y) => side(kernel[x * names.length + y] / most, colours));
  context.imageSmoothingEnabled = false;
  context.drawImage(sheet, left, 0, wide - left, high);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = css(colours["ink-colour"]);
  for (const [i, name] of named ? names.entries() : []) {
    const short = name.length > 20 ? `${name.slice(0, 19)}…` : name;
    context.fillText(short, 0, ((i + 0.5) * high) / names.length + 4, left - 8);
  }
}

/** The plane of two inputs: the side of each place, and the rows as points. */
export function plane(canvas, sides, points, colours) {
  const [context, wide, high] = sized(canvas, canvas.clientWidth * 0.85);
  const length = Math.sqrt(sides.length);
  const bands = (value) => (Math.sign(value) * Math.ceil(Math.abs(value) * 6)) / 6;
  pixels(sheet, length, length, (x, y) => side(0.75 * bands(sides[y * length + x]), colours));
  context.drawImage(sheet, 0, 0, wide, high);
  context.lineWidth = 1.5;
  context.strokeStyle = css(colours.paper);
  for (const [x, y, label] of points) {
    context.fillStyle = css(label ? colours.accent : colours.against);
    context.beginPath();
    context.arc(x * wide, (1 - y) * high, 4.5, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

/** One digit, 64 numbers from 0 to 16. */
export function digit(canvas, values, colours) {
  const [paper, ink] = [colours.paper, colours["ink-colour"]];
  pixels(canvas, 8, 8, (x, y) => paper.map((c, i) => c + (values[y * 8 + x] / 16) * (ink[i] - c)));
}

/** How strongly each unit answers. */
export function bars(canvas, units, colours) {
  const [context, wide, high] = sized(canvas);
  const top = Math.max(...units, 1e-9);
  const step = wide / units.length;
  units.forEach((unit, i) => {
    context.fillStyle = css(colours.raised);
    context.fillRect(i * step, 0, Math.max(step - 2, 1), high);
    context.fillStyle = css(colours.good);
    const tall = (high * Math.max(unit, 0)) / top;
    context.fillRect(i * step, high - tall, Math.max(step - 2, 1), tall);
  });
}

/**
 * Lines over epochs.
 *
 * @param {Array<{colour: number[], points: Array<[number, number]>, dashed?: boolean}>} lines
 * @param {{title: string, low: number, high: number?}} axis the top follows the lines if it is not given.
 */
export function curves(canvas, lines, { title, low, high }, colours) {
  const [context, wide, tall] = sized(canvas);
  const [left, right, top, bottom] = [40, 8, 20, 18];
  const all = lines.flatMap((line) => line.points);
  const end = Math.max(1, ...all.map(([at]) => at));
  const values = all.map(([, value]) => value).filter(Number.isFinite);
  const least = Math.min(low, ...values);
  const most = Math.max(high ?? 1e-6, ...values, least + 1e-6);
  const x = (at) => left + ((wide - left - right) * at) / end;
  const y = (value) => tall - bottom - ((tall - top - bottom) * (value - least)) / (most - least);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = css(colours.soft);
  context.fillText(title, left, 12);
  context.textAlign = "right";
  context.fillText(brief(most), left - 6, y(most) + 4);
  context.fillText(brief(least), left - 6, y(least) + 4);
  context.fillText(brief(end), wide - right, tall - 4);
  context.textAlign = "left";
  context.fillText("0", left, tall - 4);
  context.strokeStyle = css(colours.line);
  context.lineWidth = 1;
  for (const value of [least, (least + most) / 2, most]) {
    context.beginPath();
    context.moveTo(left, y(value));
    context.lineTo(wide - right, y(value));
    context.stroke();
  }
  for (const { colour: of, points, dashed } of lines) {
    context.strokeStyle = css(of);
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.setLineDash(dashed ? [4, 4] : []);
    context.beginPath();
    points.forEach(([at, value], i) => context[i ? "lineTo" : "moveTo"](x(at), y(value)));
    context.stroke();
  }
  context.setLineDash([]);
}

function brief(value) {
  if (Math.abs(value) >= 1e4) {
    return value.toExponential(0);
  }
  return String(Number(value.toPrecision(value < 10 ? 2 : 3)));
}
