// Why a row is answered so: the contributions of its columns, as bars to both sides.

import { element } from "./dom.js";
import { number } from "./words.js";

export const REASONS = "explain"; // the signature that gives them
const MAX_REASONS = 8;

/** True if a version gives the reasons of its answers. */
export function givesReasons({ manifest, signatures }) {
  return manifest?.schema !== undefined && signatures.some(({ key }) => key === REASONS);
}

export class Reasons {
  /** @param {object} facts of the model that answers. */
  constructor({ manifest }) {
    this.columns = manifest.schema.columns.map(({ name }) => name);
    this.classes = manifest.classes ?? [];
    this.target = manifest.schema.target?.name ?? "value";
    this.bars = new Map();
    this.list = element("ul.reasons", { "aria-label": "Contributions of the columns" });
    this.note = element("p.soft.note");
    this.element = element(
      "div",
      { hidden: true },
      element("h3", {}, "Reasons"),
      this.list,
      this.note,
    );
  }

  hide() {
    this.element.hidden = true;
  }

  /** What is shown belongs to an earlier question. */
  showStale() {
    this.element.classList.add("stale");
  }

  /** @param {object} content what the signature `explain` answered for one row. */
  show({ predictions }) {
    const explained = this.explained(predictions?.[0]);
    if (explained === null) {
      this.hide();
      return;
    }
    const { contributions, base, unit } = explained;
    const sorted = contributions
      .map((value, place) => ({ value, place }))
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const shown = sorted.slice(0, MAX_REASONS);
    const left = sorted.slice(MAX_REASONS);
    const largest = Math.max(Math.abs(shown[0].value), Number.MIN_VALUE);
    const items = shown.map((one) => this.bar(one, largest));
    const kept = this.list.children;
    if (kept.length !== items.length || items.some((item, i) => kept[i] !== item)) {
      this.list.replaceChildren(...items);
    }
    const others = left.reduce((sum, { value }) => sum + value, 0);
    const more = left.length ? ` ${left.length} more columns: ${signed(others)}.` : "";
    this.note.textContent =
      `From the mean, ${number(base, 3)}, to this answer's ${unit}, ` +
      `${number(base + contributions.reduce((sum, value) => sum + value, 0), 3)}.${more}`;
    this.element.classList.remove("stale");
    this.element.hidden = false;
  }

  /** The contributions to the value, the second of two classes, or the predicted class. */
  explained(row) {
    const { contributions, base, probabilities } = row ?? {};
    if (!Array.isArray(contributions) || contributions.length !== this.columns.length) {
      return null;
    }
    if (!Array.isArray(base)) {
      const [, second] = this.classes;
      const unit = second === undefined ? this.target : `logit of ${second}`;
      return { contributions, base, unit };
    }
    const best = probabilities?.indexOf(Math.max(...probabilities)) ?? -1;
    if (best < 0) {
      return null;
    }
    return {
      contributions: contributions.map((values) => values[best]),
      base: base[best],
      unit: `logarithm of the probability of ${this.classes[best] ?? best}`,
    };
  }

  /** A bar is kept between answers, so that it moves. */
  bar({ value, place }, largest) {
    if (!this.bars.has(place)) {
      const name = element("span.label", {}, this.columns[place]);
      const fill = element("span.fill");
      const text = element("span.share");
      const track = element("span.track", { "aria-hidden": "true" }, fill);
      this.bars.set(place, { item: element("li", {}, name, track, text), fill, text });
    }
    const { item, fill, text } = this.bars.get(place);
    fill.style.setProperty("--share", Math.abs(value) / largest);
    item.classList.toggle("against", value < 0);
    text.textContent = signed(value);
    item.title = `${this.columns[place]}: ${value}`;
    return item;
  }
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value), 2)}`;
}
