// Ink on 8x8 pixels, made as that of the handwritten digits was: a fine bitmap of 32x32
// dots, black or white; a pixel counts the black ones in its block of 4x4.

export const SIDE = 8;
export const MAX_INK = 16;
const FINE = 4;
const DOTS = SIDE * FINE;
// The digits' strokes are six or seven dots wide; so is this pen's.
const RADIUS = 3;
// In which order the dots of a pixel get black where its number is set: the inner ones first.
const ORDER = [5, 6, 9, 10, 1, 2, 4, 7, 8, 11, 13, 14, 0, 3, 12, 15];

export class Ink {
  constructor() {
    this.dots = new Uint8Array(DOTS * DOTS);
  }

  clear() {
    this.dots.fill(0);
  }

  isEmpty() {
    return this.dots.every((dot) => dot === 0);
  }

  /**
   * Move the pen from one point to another.
   *
   * @param {{x: number, y: number}} from in shares of the side, 0..1; x to the right.
   * @param {{x: number, y: number}} to likewise.
   * @param {boolean} erase whether it takes ink away.
   */
  draw(from, to, erase = false) {
    const [x0, y0, x1, y1] = [from.x, from.y, to.x, to.y].map((share) => share * DOTS - 0.5);
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - RADIUS));
    const right = Math.min(DOTS - 1, Math.ceil(Math.max(x0, x1) + RADIUS));
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - RADIUS));
    const bottom = Math.min(DOTS - 1, Math.ceil(Math.max(y0, y1) + RADIUS));
    for (let y = top; y <= bottom; y += 1) {
      for (let x = left; x <= right; x += 1) {
        if (distance(x, y, x0, y0, x1, y1) <= RADIUS) {
          this.dots[y * DOTS + x] = erase ? 0 : 1;
        }
      }
    }
  }

  /** The number of a pixel, 0..16. */
  get(row, column) {
    return this.block(row, column).filter((dot) => this.dots[dot]).length;
  }

  /** Give a pixel a number, 0..16. */
  set(row, column, value) {
    const block = this.block(row, column);
    ORDER.forEach((place, rank) => {
      this.dots[block[place]] = rank < value ? 1 : 0;
    });
  }

  /** The places of a pixel's dots. */
  block(row, column) {
    const first = row * FINE * DOTS + column * FINE;
    return ORDER.map((_, i) => first + Math.floor(i / FINE) * DOTS + (i % FINE));
  }
}

/** From a point to a stretch of line. */
function distance(x, y, x0, y0, x1, y1) {
  const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  const along = length ? ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length : 0;
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0));
}
