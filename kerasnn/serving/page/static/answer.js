// The answer of a model: its class with the probabilities as bars, or its value.

import { element } from "./dom.js";
import { writeJson } from "./json.js";
import { number, percent } from "./words.js";

const MAX_TABLE_ROWS = 500;
const MAX_BARS = 20; // of more classes, the most probable ones are shown
const QUIET_MILLISECONDS = 700;

export class Answer {
  /** @param {object} facts of the model that answers. */
  constructor(facts) {
    this.facts = facts;
    this.bars = new Map();
    this.isAnswered = false;
    this.body = element("div.answer");
    this.note = element("p.soft.note");
    this.problem = element("p.problem", { role: "alert" });
    this.caution = element("p.caution", { hidden: true });
    // What is drawn changes often: it is told when it rests.
    this.spoken = element("p.hidden", { role: "status" });
    this.element = element(
      "div",
      {},
      this.problem,
      this.caution,
      this.body,
      this.note,
      this.spoken,
    );
  }

  /** There is nothing to answer yet. */
  showNothing(text) {
    this.start("");
    this.caution.hidden = true;
    this.isAnswered = false;
    this.bars.clear();
    this.body.replaceChildren(element("p.soft", {}, text));
    this.note.textContent = "";
  }

  /** What is shown is the answer to an earlier question. */
  showStale() {
    this.body.classList.add("stale");
    this.note.textContent = this.isAnswered ? "This answers what you asked before." : "";
  }

  showProblem(text) {
    this.start(text);
    this.caution.hidden = true;
    if (!this.isAnswered) {
      this.body.replaceChildren();
    }
    this.showStale();
  }

  /**
   * @param {object} content what the server answered.
   * @param {number} milliseconds that it took.
   * @param {object} request that was sent; its cautions tell what no training row was like.
   */
  show(content, milliseconds, { verb, cautions = [], isTable = false }) {
    this.start("");
    this.caution.hidden = !cautions.length;
    const told = [...cautions.slice(0, 3), ...(cautions.length > 3 ? ["…"] : [])].join("; ");
    this.caution.textContent = told && `Believe this less. ${told}.`;
    this.isAnswered = true;
    this.say(isTable ? this.showTable(content) : this.told(content, verb));
    const time = milliseconds < 1 ? "less than 1" : milliseconds.toFixed(0);
    this.note.textContent = `Answered in ${time} ms.`;
  }

  start(problem) {
    this.body.classList.remove("stale");
    if (this.problem.textContent !== problem) {
      this.problem.textContent = problem;
    }
    clearTimeout(this.timer);
  }

  say(text) {
    this.timer = setTimeout(() => {
      this.spoken.textContent = text;
    }, QUIET_MILLISECONDS);
  }

  /** Shows the content, and gives it as a short sentence. */
  told(content, verb) {
    const outputs = verb === "predict" ? this.oneRow(content) : null;
    if (Array.isArray(outputs?.probabilities) && outputs.probabilities.every(isNumber)) {
      return this.showClass(outputs);
    }
    const pairs = verb === "classify" && content.results?.length === 1 ? content.results[0] : null;
    if (pairs?.length && pairs.every(([label, score]) => label !== "" && isNumber(score))) {
      return this.showBars(pairs.map(([label, share]) => ({ label, share })), "class");
    }
    const values = [outputs?.value ?? null].flat();
    if (values.length === 1 && values[0] !== null && typeof values[0] !== "object") {
      return this.showValue(values[0]);
    }
    return this.showJson(content);
  }

  /** The outputs of the only row, by name; null for other answers. */
  oneRow({ predictions }) {
    if (!Array.isArray(predictions) || predictions.length !== 1) {
      return null;
    }
    const [signature] = this.facts.signatures;
    const lone = signature.outputs.length === 1;
    return lone ? { [signature.outputs[0].name]: predictions[0] } : predictions[0];
  }

  showClass({ class: best, probabilities }) {
    const { classes } = this.facts.manifest ?? {};
    const named = classes?.length === probabilities.length;
    const labels = named ? classes : probabilities.map((_, i) => i);
    const bars = probabilities.map((share, i) => ({ label: String(labels[i]), share }));
    return this.showBars(bars, this.facts.manifest?.schema?.target?.name ?? "class", best);
  }

  /**
   * @param {{label: string, share: number}[]} bars in the order of the classes.
   * @param {string} name of what is predicted.
   * @param {string|number} best the class that the model says; the most probable by default.
   */
  showBars(bars, name, best) {
    const most = bars.reduce((a, b) => (b.share > a.share ? b : a));
    const label = String(best ?? most.label);
    const share = (bars.find((bar) => bar.label === label) ?? most).share;
    const placed = bars.map((bar, place) => ({ ...bar, place }));
    const shown = bars.length > MAX_BARS
      ? placed.sort((a, b) => b.share - a.share).slice(0, MAX_BARS)
      : placed;
    const left = bars.length - shown.length;
    const items = shown.map((bar) => this.bar(bar, bar.label === label));
    const short = shown.every((bar) => bar.label.length < 3) ? ".short" : "";
    const list = element(`ul.bars${short}`, { "aria-label": "Probabilities" }, ...items);
    list.style.setProperty("--half", Math.ceil(items.length / 2));
    this.body.replaceChildren(
      headline(name, label, percent(share)),
      list,
      ...(left ? [element("p.soft", {}, `and ${number(left)} less probable classes`)] : []),
    );
    return `${name}: ${label}, ${percent(share)}`;
  }

  /** A bar is kept between answers, so that it moves. */
  bar({ label, share, place }, isBest) {
    if (!this.bars.has(place)) {
      const name = element("span.label");
      const fill = element("span.fill");
      const text = element("span.share");
      const track = element("span.track", { "aria-hidden": "true" }, fill);
      this.bars.set(place, { item: element("li", {}, name, track, text), name, fill, text });
    }
    const { item, name, fill, text } = this.bars.get(place);
    name.textContent = label;
    fill.style.setProperty("--share", share);
    text.textContent = percent(share);
    item.title = `${label}: ${share}`;
    item.classList.toggle("best", isBest);
    return item;
  }

  showValue(value) {
    const name = this.facts.manifest?.schema?.target?.name ?? "value";
    const shown = number(value, 5);
    this.body.replaceChildren(headline(name, shown, ""));
    this.body.firstChild.title = String(value);
    return `${name}: ${shown}`;
  }

  /** An answer for each row. */
  showTable({ predictions }) {
    const shown = predictions.slice(0, MAX_TABLE_ROWS).map(entriesOf);
    const rows = shown.map((one, i) => [i + 1, ...one.map(([, value]) => short(value))]);
    const head = ["row", ...shown[0].map(([name]) => name)];
    this.body.replaceChildren(
      element(
        "div.scrolled",
        { tabindex: "0", role: "group", "aria-label": "Answers" },
        element(
          "table",
          {},
          element("thead", {}, tableRow(head, "th")),
          element("tbody", {}, ...rows.map((cells) => tableRow(cells, "td"))),
        ),
      ),
    );
    const left = predictions.length - rows.length;
    if (left) {
      this.body.append(element("p.soft", {}, `and ${number(left)} more rows`));
    }
    this.bars.clear();
    return `${predictions.length} rows answered`;
  }

  showJson(content) {
    const text = writeLines(content);
    const attributes = { tabindex: "0", "aria-label": "Answer as JSON" };
    this.body.replaceChildren(element("pre", attributes, text));
    return `The answer is ${text.slice(0, 200)}`;
  }
}

function headline(name, text, beside) {
  return element(
    "p.headline",
    {},
    element("span.soft", {}, name),
    element("strong", {}, text),
    beside ? element("span.beside", {}, beside) : null,
  );
}

/** Names and values of an answer, lists of numbers last. */
function entriesOf(answer) {
  const isObject = answer !== null && typeof answer === "object" && !Array.isArray(answer);
  const entries = isObject ? Object.entries(answer) : [["answer", answer]];
  return entries.sort(([, one], [, other]) => Array.isArray(one) - Array.isArray(other));
}

function short(value) {
  if (Array.isArray(value) && value.every(isNumber)) {
    return value.map((one) => number(one, 3)).join(", ");
  }
  return isNumber(value) ? number(value, 5) : writeJson(value).replace(/^"|"$/g, "");
}

function tableRow(cells, tag) {
  return element("tr", {}, ...cells.map((cell) => element(tag, {}, String(cell))));
}

function isNumber(value) {
  return typeof value === "number";
}

/** JSON with lists of plain values on a line of their own. */
function writeLines(value, indent = "") {
  const inner = `${indent}  `;
  const list = Array.isArray(value);
  if (value === null || typeof value !== "object" || writeJson(value).length < 60) {
    return writeJson(value);
  }
  const items = list
    ? value.map((one) => writeLines(one, inner))
    : Object.entries(value).map(
        ([key, one]) => `${JSON.stringify(key)}: ${writeLines(one, inner)}`,
      );
  const [open, close] = list ? "[]" : "{}";
  return `${open}\n${items.map((item) => inner + item).join(",\n")}\n${indent}${close}`;
}
