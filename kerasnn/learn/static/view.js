// What is shown of a training: numbers, drawings, tables and the program.

import { bars, curves, digit, matrix, palette, plane, tiles, unpack } from "./charts.js";
import { element } from "./dom.js";
import { say, shown } from "./language.js";

const LEAST_SIZE = 1e-6; // of a weight or gradient, where its bar ends
const DIGITS = 10;
const $ = (id) => document.getElementById(id);

let colours = palette();

/** Take the colours of the page again: it may be dark now. */
export function recolour() {
  colours = palette();
}

/** Show what stays the same during a training. */
export function showFacts(training, ghost) {
  const { task, view, notices, sizes, rows, settings } = training.facts;
  const values = { n_in: sizes[0], width: sizes[1], rows: rows[0], tested: rows[1] };
  const isIris = settings.data === "iris"; // whose test rows are its training rows
  $("notices").textContent = notices.slice(0, 5).join(" · ");
  $("label-score").textContent = say(task === "regression" ? "r2" : "accuracy");
  $("label-loss").textContent = say(isIris ? "loss-now" : "loss");
  $("picture-note").textContent = say(`note-${view}`, values);
  $("wrong-part").hidden = $("draw").hidden = view !== "digits";
  const names = [
    ["accent", isIris ? "all-rows" : "test-rows"],
    ["against", "training-rows"],
    ["good", settings.broken === "leak" && "later"],
    ["edge", ghost && "ghost"],
  ];
  const items = names.filter(([, key]) => key).map(([name, key]) => {
    const item = element("li", {}, say(key));
    item.style.setProperty("--of", `var(--${name})`);
    return item;
  });
  $("legend").replaceChildren(...items);
}

/** Draw the newest frame; `all` with curves and tables. */
export function draw(training, ghost, all = true) {
  const { frame, facts } = training;
  $("now-epoch").textContent = facts.steps > 1 ? `${frame.epoch} + ${frame.done}/${facts.steps}` : frame.epoch;
  $("now-trained").textContent = shown(frame.trained);
  $("now-loss").textContent = shown(frame.loss);
  $("now-score").textContent = shown(frame.score, 3);
  drawPicture(frame, facts);
  if (facts.view === "digits" && (all || frame.units)) {
    showUnits(frame, facts);
  }
  if (!all) {
    return;
  }
  drawCurves(training, ghost);
  showLayers(frame, facts);
  $("program").textContent = training.program;
  if (facts.view === "digits") {
    showWrong(training);
  }
}

function drawPicture(frame, { view, points, sizes, inputs }) {
  const canvas = $("picture");
  if (view === "plane") {
    plane(canvas, unpack(frame.plane), points, colours);
  } else if (view === "digits") {
    const units = frame.units ? unpack(frame.units) : null;
    tiles(canvas, unpack(frame.kernels[0]), sizes[1], frame.dead, units, colours);
  } else {
    matrix(canvas, unpack(frame.kernels[0]), inputs, colours);
  }
  canvas.setAttribute("aria-label", $("picture-note").textContent);
}

function drawCurves({ points, losses, facts, frame }, ghost) {
  const isNumber = ([, value]) => typeof value === "number";
  const line = (name, key, from, dashed = false) => ({
    colour: colours[name],
    points: from.map((point) => [point.at, point[key]]).filter(isNumber),
    dashed,
  });
  const trained = { colour: colours.against, points: losses.map((loss, i) => [i + 1, loss]).filter(isNumber) };
  const before = ghost?.points ?? [];
  const score = say(facts.task === "regression" ? "r2" : "accuracy");
  const lossLines = [line("edge", "loss", before, true), trained, line("accent", "loss", points)];
  const scoreLines = [line("edge", "score", before, true), line("good", "later", points), line("accent", "score", points)];
  curves($("loss-curve"), lossLines, { title: say("loss-title"), low: 0 }, colours);
  curves($("score-curve"), scoreLines, { title: score, low: 0, high: 1 }, colours);
  $("loss-curve").setAttribute("aria-label", `${say("loss-title")}: ${shown(frame.loss)}`);
  $("score-curve").setAttribute("aria-label", `${score}: ${shown(frame.score)}`);
}

function level(value) {
  const share = Math.log10(Math.max(value ?? 0, LEAST_SIZE) / LEAST_SIZE) / 7;
  const bar = element("i", {});
  bar.style.setProperty("--share", Math.min(1, share));
  return element("td", {}, shown(value, 4), element("span.level", { "aria-hidden": "true" }, bar));
}

function showLayers({ layers, dead }, { sizes }) {
  const rows = layers.map(({ weights, gradient }, i) => {
    const name = say(i ? "output-layer" : "hidden-layer", { from: sizes[i], to: sizes[i + 1] });
    return element("tr", {}, element("th", { scope: "row" }, name), level(weights), level(gradient));
  });
  $("layers").tBodies[0].replaceChildren(...rows);
  $("dead").textContent = dead ? say("dead", { dead: dead.length, units: sizes[1] }) : say("no-dead");
  $("dead").className = dead?.length > sizes[1] / 2 ? "problem" : "hint";
}

function showWrong(training) {
  const { n_wrong, wrong } = training.frame;
  const { labels, images, rows } = training.facts;
  $("wrong-title").textContent = say("wrong", { n: n_wrong, of: rows[1] });
  training.images ??= unpack(images);
  const list = $("wrong");
  while (list.children.length > wrong.length) {
    list.lastChild.remove();
  }
  wrong.forEach(([row, predicted], i) => {
    const key = `${row} ${predicted} ${colours.paper}`;
    const item = list.children[i] ?? list.appendChild(element("li", {}, element("canvas", { "aria-hidden": "true" }), element("span", {})));
    if (item.dataset.key !== key) {
      item.dataset.key = key;
      digit(item.firstChild, training.images.subarray(row * 64, row * 64 + 64), colours);
      item.lastChild.textContent = say("taken-for", { label: labels[row], predicted });
    }
  });
}

function showUnits({ units, answer }, { sizes }) {
  const values = units ? unpack(units) : new Float32Array(sizes[1]);
  bars($("units"), values, colours);
  const strongest = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 3);
  $("units").setAttribute("aria-label", units ? say("strongest", { units: strongest.map((i) => i + 1).join(", ") }) : say("units"));
  const best = answer ? answer.indexOf(Math.max(...answer)) : -1;
  const list = $("answer");
  for (let i = list.children.length; i < DIGITS; i += 1) {
    list.append(element("li", {}, element("span.label", {}, i), element("span.track", {}, element("span.fill", {})), element("span.share", {})));
  }
  [...list.children].forEach((item, i) => {
    const share = answer?.[i] ?? 0;
    item.classList.toggle("best", i === best);
    item.style.setProperty("--share", share);
    item.lastChild.textContent = answer ? `${(100 * share).toFixed(1)} %` : "";
  });
}
