// The pad to draw a digit on: a grid of 8x8 pixels for mouse, touch, pen and keyboard.

import { element, newId } from "./dom.js";
import { Ink, MAX_INK, SIDE } from "./ink.js";
import { writeJson } from "./json.js";

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const ERASER_BUTTON = 32; // of a pen that is turned round

// What the pad says; a page in another language gives its own.
const TEXTS = {
  pad: "Pad of 8 by 8 pixels",
  clear: "Clear",
  erase: "Erase",
  "pad-hint": "Draw it large, from the top edge to the bottom edge.",
  "by-keyboard": "By keyboard",
  "pad-help":
    "Arrows move, with Shift they draw. Space sets or clears a pixel, 0 to 9 set how dark it is.",
  pixel: "row {row}, column {column}: ink {ink} of 16",
};

/** The names of the pixels, row by row. */
export function pixelNames() {
  const places = Array.from({ length: SIDE * SIDE }, (_, i) => [Math.floor(i / SIDE), i % SIDE]);
  return places.map(([row, column]) => `pixel_${row}_${column}`);
}

/** A question that is drawn; `changed` is called whenever it is another. */
export class Pad {
  /**
   * @param {string[]} columns the names of the pixels as the network takes them.
   * @param {function()} changed is called after each change.
   * @param {object} texts in the language of the page.
   */
  constructor(columns, changed, texts = TEXTS) {
    this.columns = columns;
    this.changed = changed;
    this.texts = texts;
    this.ink = new Ink();
    this.active = 0;
    this.last = null; // where the pen was, while it is down
    this.cells = pixelNames().map((_, i) => this.cell(i));
    const on = { click: () => this.turnPen() };
    this.erase = element("button", { type: "button", "aria-pressed": "false", on }, texts.erase);
    this.grid = this.makeGrid();
    this.element = this.makeElement();
    this.show();
  }

  /** What to send; null while nothing is drawn. */
  request() {
    if (this.ink.isEmpty()) {
      return null;
    }
    const names = pixelNames();
    const values = Object.fromEntries(names.map((name, i) => [name, this.value(i)]));
    const row = this.columns.map((column) => values[column]);
    return { verb: "predict", text: writeJson({ instances: [row] }) };
  }

  value(i) {
    return this.ink.get(Math.floor(i / SIDE), i % SIDE);
  }

  clear() {
    this.ink.clear();
    this.show();
    this.changed();
  }

  turnPen() {
    const erasing = this.erase.getAttribute("aria-pressed") === "true";
    this.erase.setAttribute("aria-pressed", String(!erasing));
  }

  isErasing(event) {
    const turned = Boolean(event.buttons & ERASER_BUTTON);
    return turned || this.erase.getAttribute("aria-pressed") === "true";
  }

  cell(i) {
    const tabindex = i === this.active ? "0" : "-1";
    return element("div.cell", { role: "gridcell", tabindex, on: { focus: () => this.moveTo(i) } });
  }

  makeGrid() {
    const rows = Array.from({ length: SIDE }, (_, row) =>
      element("div.row", { role: "row" }, ...this.cells.slice(row * SIDE, (row + 1) * SIDE)),
    );
    const on = {
      pointerdown: (event) => this.penDown(event),
      pointermove: (event) => this.penMoved(event),
      pointerup: () => this.penUp(),
      pointercancel: () => this.penUp(),
      keydown: (event) => this.keyDown(event),
    };
    return element("div.pad", { role: "grid", "aria-label": this.texts.pad, on }, ...rows);
  }

  makeElement() {
    const help = newId("help");
    this.grid.setAttribute("aria-describedby", help);
    const clear = element("button", { type: "button", on: { click: () => this.clear() } }, this.texts.clear);
    return element(
      "div.drawing",
      {},
      this.grid,
      element("div.buttons", {}, clear, this.erase),
      element("p.soft", {}, this.texts["pad-hint"]),
      element(
        "details",
        {},
        element("summary", {}, this.texts["by-keyboard"]),
        element("p.soft", { id: help }, this.texts["pad-help"]),
      ),
    );
  }

  show() {
    this.cells.forEach((cell, i) => {
      const value = this.value(i);
      if (cell.dataset.ink !== String(value)) {
        cell.dataset.ink = String(value);
        cell.style.setProperty("--ink", value / MAX_INK);
        const place = { row: Math.floor(i / SIDE) + 1, column: (i % SIDE) + 1, ink: value };
        const label = this.texts.pixel.replace(/\{(\w+)\}/g, (_, name) => place[name]);
        cell.setAttribute("aria-label", label);
      }
    });
  }

  penDown(event) {
    if (event.button !== 0 && !this.isErasing(event)) {
      return;
    }
    event.preventDefault();
    this.grid.setPointerCapture(event.pointerId);
    this.last = this.place(event);
    this.stroke(this.last, this.isErasing(event));
  }

  penMoved(event) {
    if (this.last === null) {
      return;
    }
    const erase = this.isErasing(event);
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) {
      this.stroke(this.place(one), erase);
    }
  }

  penUp() {
    this.last = null;
  }

  place(event) {
    const box = this.grid.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  stroke(to, erase) {
    this.ink.draw(this.last, to, erase);
    this.last = to;
    this.show();
    this.changed();
  }

  keyDown(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    if (event.key in MOVES) {
      this.arrow(MOVES[event.key], event.shiftKey);
    } else if (event.key === " ") {
      this.setActive(this.value(this.active) >= MAX_INK / 2 ? 0 : MAX_INK);
    } else if (/^[0-9]$/.test(event.key)) {
      this.setActive(Math.round((Number(event.key) * MAX_INK) / 9));
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.setActive(0);
    } else {
      return;
    }
    event.preventDefault();
  }

  arrow([down, right], draws) {
    const row = Math.floor(this.active / SIDE) + down;
    const column = (this.active % SIDE) + right;
    if (row < 0 || row >= SIDE || column < 0 || column >= SIDE) {
      return;
    }
    const from = this.active;
    this.cells[row * SIDE + column].focus();
    if (draws) {
      this.ink.draw(middle(from), middle(this.active), this.isErasing({ buttons: 0 }));
      this.show();
      this.changed();
    }
  }

  setActive(value) {
    this.ink.set(Math.floor(this.active / SIDE), this.active % SIDE, value);
    this.show();
    this.changed();
  }

  moveTo(i) {
    this.cells[this.active].setAttribute("tabindex", "-1");
    this.active = i;
    this.cells[i].setAttribute("tabindex", "0");
  }
}

/** The middle of a pixel, in shares of the side. */
function middle(i) {
  return { x: ((i % SIDE) + 0.5) / SIDE, y: (Math.floor(i / SIDE) + 0.5) / SIDE };
}
