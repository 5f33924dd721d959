// The page: settings, the training that is shown, and the drawings of it.

import { Breaks } from "./breaks.js";
import { bars, curves, digit, matrix, palette, plane, tiles, unpack } from "./charts.js";
import { element } from "./dom.js";
import { other, preferred, say, shown, speak } from "./language.js";
import { MAX_INK } from "./ink.js";
import { Pad, pixelNames } from "./pad.js";
import { Problem, Training, ask } from "./training.js";

const $ = (id) => document.getElementById(id);
const NUMBERS = ["learning_rate", "width", "batch_size", "seed"];
const SLOW_MS = 150; // between two drawings of curves and tables while it trains
const LEAST_SIZE = 1e-6; // of a weight or gradient, where its bar ends

let facts; // limits, choices, settings to begin with
let training = null;
let ghost = null; // the sound training that a broken one is compared with
let broken = "";
let table = {}; // the reader's: its key, and the column to predict
let colours;
let pad = null;
let breaks;
let waiting = false; // whether a drawing is due
let slowAt = 0; // when curves and tables were drawn
let opening = 0; // number of the newest start: an earlier one that ends later is dropped
const drawn = []; // when the last frames were drawn

// --- settings -------------------------------------------------------------------------

function data() {
  return document.querySelector("[name=data]:checked").value;
}

function fill(settings) {
  document.querySelector(`[name=data][value=${settings.data}]`).checked = true;
  for (const name of [...NUMBERS, "optimizer"]) {
    $(name).value = settings[name];
  }
  broken = settings.broken;
  $("table").hidden = settings.data !== "csv";
}

/** The settings of the form; a Problem where a number cannot be used. */
function settings() {
  const values = { data: data(), optimizer: $("optimizer").value, broken };
  for (const name of NUMBERS) {
    const text = $(name).value.trim().replace(",", ".");
    const value = Number(text);
    const [low, high] = facts.limits[name] ?? [0, facts.max_rate];
    const isRate = name === "learning_rate";
    const good = text !== "" && value <= high && (isRate ? value > 0 : Number.isInteger(value) && value >= low);
    $(name).toggleAttribute("aria-invalid", !good);
    if (!good) {
      throw new Problem(isRate ? "rate" : "whole", { name: say(name), low, high });
    }
    values[name] = value;
  }
  return values;
}

/** Make a new training, of the form or of given settings. */
async function start(given, { plays = false, ghost: beside = null } = {}) {
  opening += 1;
  const mine = opening;
  if (given) {
    fill(given);
  }
  const wanted = settings();
  if (wanted.data === "csv" && !table.target) {
    forget();
    return;
  }
  showProblem();
  const opened = await Training.open(wanted, wanted.data === "csv" ? table : {});
  if (mine !== opening) {
    opened.close();
    return;
  }
  training?.close();
  training = opened;
  ghost = beside;
  showFacts();
  showPlaying();
  draw();
  sendDrawn();
  if (plays) {
    play();
  }
}

function forget() {
  training?.close();
  training = null;
  showPlaying();
}

/** Say what is wrong, or nothing any more. */
function showProblem(problem) {
  const { code = "failed", values = { detail: String(problem) } } = problem ?? {};
  $("problem").textContent = problem ? say(`error-${code}`, values) : "";
}

const guarded = (action) => async (event) => {
  try {
    await action(event);
  } catch (problem) {
    if (problem.code === "lost") {
      forget();
    }
    showProblem(problem);
    showPlaying();
  }
};

// --- running --------------------------------------------------------------------------

function play() {
  showProblem();
  training.play($("speed").value, () => schedule(), guarded(pause));
  showPlaying();
}

/** Stop, and ask how far the server is, and for the program. */
async function pause() {
  await run({ steps: 0 });
}

async function run(count) {
  const mine = training;
  await mine.step(count);
  if (mine === training) {
    showPlaying();
    draw();
    showProgram();
    const { epoch, loss, score } = training.frame;
    $("said").textContent = say("said", { epoch, loss: shown(loss), score: shown(score) });
  }
}

function showPlaying() {
  const plays = Boolean(training?.plays);
  $("play").textContent = say(plays ? "pause" : "play");
  for (const id of ["play", "step", "epoch"]) {
    $(id).disabled = !training || (training.frame.state !== "ready" && !plays);
  }
  $("anew").disabled = data() === "csv" && !table.target;
  const state = training?.frame.state ?? "ready";
  if (state !== "ready") {
    showProblem(new Problem(state));
  }
}

function schedule() {
  if (waiting) {
    return;
  }
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (!training?.plays && training?.frame.state === "ready") {
      return; // what is shown after a pause comes with its answer
    }
    draw(performance.now() - slowAt > SLOW_MS);
    countFrame();
    if (breaks.look(training)) {
      guarded(pause)();
    }
  });
}

function countFrame() {
  const now = performance.now();
  drawn.push(now);
  while (drawn[0] < now - 1000) {
    drawn.shift();
  }
  $("fps").textContent = drawn.length;
}

// --- what is shown --------------------------------------------------------------------

function showFacts() {
  const { task, view, notices, sizes, rows, settings: chosen } = training.facts;
  $("notices").textContent = notices.slice(0, 5).join(" · ");
  $("label-score").textContent = say(task === "regression" ? "r2" : "accuracy");
  $("label-loss").textContent = say(chosen.data === "iris" ? "loss-now" : "loss");
  $("picture-note").textContent = say(`note-${view}`, { n_in: sizes[0], width: sizes[1], rows: rows[0], tested: rows[1] });
  $("wrong-part").hidden = view !== "digits";
  $("draw").hidden = view !== "digits";
  showProgram();
  showLegend();
}

function showProgram() {
  $("program").textContent = training.program;
}

function showLegend() {
  const names = [["accent", chosenName("loss")], ["against", say("trained")]];
  if (training.facts.settings.broken === "leak") {
    names.push(["good", say("later")]);
  }
  if (ghost) {
    names.push(["edge", say("ghost")]);
  }
  const items = names.map(([name, text]) => {
    const item = element("li", {}, text);
    item.style.setProperty("--of", `var(--${name})`);
    return item;
  });
  $("legend").replaceChildren(...items);
}

function chosenName() {
  return say(training.facts.settings.data === "iris" ? "all-rows" : "test-rows");
}

/** Draw the newest frame; `all` with curves and tables. */
function draw(all = true) {
  if (!training) {
    return;
  }
  const { frame, facts: known } = training;
  $("now-epoch").textContent = known.steps > 1 ? `${frame.epoch} + ${frame.done}/${known.steps}` : frame.epoch;
  $("now-trained").textContent = shown(frame.trained);
  $("now-loss").textContent = shown(frame.loss);
  $("now-score").textContent = shown(frame.score, 3);
  drawPicture(frame, known);
  if (known.view === "digits" && (all || frame.units)) {
    showUnits(frame);
  }
  if (all) {
    slowAt = performance.now();
    drawCurves();
    showLayers(frame, known);
    if (known.view === "digits") {
      showWrong(frame, known);
    }
  }
}

function drawPicture(frame, { view, points, sizes }) {
  const canvas = $("picture");
  const units = frame.units ? unpack(frame.units) : null;
  if (view === "plane") {
    plane(canvas, unpack(frame.plane), points, colours);
  } else if (view === "digits") {
    tiles(canvas, unpack(frame.kernels[0]), sizes[1], frame.dead, units, colours);
  } else {
    matrix(canvas, unpack(frame.kernels[0]), sizes[1], colours);
  }
  canvas.setAttribute("aria-label", $("picture-note").textContent);
}

function drawCurves() {
  const { points, losses } = training;
  const line = (name, key, from) => ({
    colour: colours[name],
    points: from.map((point) => [point.at, point[key]]).filter(([, value]) => typeof value === "number"),
  });
  const trained = { colour: colours.against, points: [...losses.entries()].map(([i, loss]) => [i + 1, loss]).filter((pair) => typeof pair[1] === "number") };
  const before = ghost?.points ?? [];
  const isSquared = training.facts.task === "regression";
  curves(
    $("loss-curve"),
    [{ ...line("edge", "loss", before), dashed: true }, trained, line("accent", "loss", points)],
    { title: say("loss-title"), low: 0 },
    colours,
  );
  curves(
    $("score-curve"),
    [{ ...line("edge", "score", before), dashed: true }, line("good", "later", points), line("accent", "score", points)],
    { title: say(isSquared ? "r2" : "accuracy"), low: 0, high: 1 },
    colours,
  );
  const { loss, score } = training.frame;
  $("loss-curve").setAttribute("aria-label", `${say("loss-title")}: ${shown(loss)}`);
  $("score-curve").setAttribute("aria-label", `${say("accuracy")}: ${shown(score)}`);
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

function showWrong({ n_wrong, wrong }, { labels, images, rows }) {
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

function showUnits({ units, answer }) {
  const values = units ? unpack(units) : new Float32Array(training.facts.sizes[1]);
  bars($("units"), values, colours);
  const strongest = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 3);
  $("units").setAttribute("aria-label", units ? say("strongest", { units: strongest.map((i) => i + 1).join(", ") }) : say("units"));
  const best = answer ? answer.indexOf(Math.max(...answer)) : -1;
  const list = $("answer");
  for (let i = list.children.length; i < 10; i += 1) {
    list.append(element("li", {}, element("span.label", {}, i), element("span.track", {}, element("span.fill", {})), element("span.share", {})));
  }
  [...list.children].forEach((item, i) => {
    const share = answer?.[i] ?? 0;
    item.classList.toggle("best", i === best);
    item.style.setProperty("--share", share);
    item.lastChild.textContent = answer ? `${(100 * share).toFixed(1)} %` : "";
  });
}

// --- the pad --------------------------------------------------------------------------

let sending = false;
let again = false;

/** Send what is drawn; while one request runs, only the newest drawing waits. */
async function sendDrawn() {
  if (!training || training.facts.view !== "digits") {
    return;
  }
  again = sending;
  if (sending) {
    return;
  }
  sending = true;
  const scale = training.facts.settings.broken === "no-scaling" ? 1 : 1 / MAX_INK;
  const row = pad.ink.isEmpty() ? null : pixelNames().map((_, i) => pad.value(i) * scale);
  const mine = training;
  try {
    const { frame } = await ask(`sessions/${mine.facts.key}/drawn`, { row });
    if (mine === training && !mine.plays) {
      training.frame = frame;
      draw();
    }
  } catch (problem) {
    showProblem(problem);
  }
  sending = false;
  if (again) {
    sendDrawn();
  }
}

function makePad() {
  const before = pad?.ink;
  const texts = ["pad", "clear", "erase", "pad-hint", "by-keyboard", "pad-help", "pixel"];
  pad = new Pad(pixelNames(), () => sendDrawn(), Object.fromEntries(texts.map((key) => [key, say(key)])));
  if (before) {
    pad.ink = before;
    pad.show();
  }
  $("pad").replaceChildren(pad.element);
}

// --- the reader's table ---------------------------------------------------------------

async function bring() {
  const [file] = $("file").files;
  table = {};
  $("target").replaceChildren();
  $("target").disabled = true;
  forget();
  if (!file) {
    return;
  }
  if (file.size > facts.max_table_bytes) {
    throw new Problem("large", { most: facts.max_table_bytes / 2 ** 20 });
  }
  const read = await ask(`tables?name=${encodeURIComponent(file.name)}`, file);
  const options = read.columns.map((name) => element("option", { value: name }, name));
  $("target").replaceChildren(...options);
  $("target").disabled = false;
  $("target").value = read.columns.at(-1);
  table = { table: read.table, target: $("target").value };
  await start();
}

// --- start ----------------------------------------------------------------------------

async function setLanguage(code) {
  await speak(code);
  const next = other();
  $("language").textContent = next === "zh" ? "中文" : "English";
  $("language").lang = next;
  breaks.show();
  makePad();
  showPlaying();
  if (training) {
    showFacts();
    draw();
  }
}

function listen() {
  $("language").addEventListener("click", guarded(() => setLanguage(other())));
  $("settings").addEventListener("submit", (event) => event.preventDefault());
  for (const id of [...NUMBERS, "optimizer"]) {
    $(id).addEventListener("change", guarded(() => start(null, { plays: training?.plays, ghost })));
  }
  for (const choice of document.querySelectorAll("[name=data]")) {
    choice.addEventListener("change", guarded(() => start(facts.defaults[data()])));
  }
  $("file").addEventListener("change", guarded(bring));
  $("target").addEventListener("change", guarded(() => {
    table.target = $("target").value;
    return start();
  }));
  $("play").addEventListener("click", guarded(() => (training.plays ? pause() : play())));
  $("step").addEventListener("click", guarded(() => run({ steps: 1 })));
  $("epoch").addEventListener("click", guarded(() => run({ epochs: 1 })));
  $("anew").addEventListener("click", guarded(() => start(null, { plays: training?.plays, ghost })));
  $("speed").addEventListener("change", guarded(async () => {
    if (training?.plays) {
      await pause();
      play();
    }
  }));
  $("copy").addEventListener("click", guarded(async () => {
    await navigator.clipboard.writeText($("program").textContent);
    $("said").textContent = $("copy").textContent = say("copied");
    setTimeout(() => ($("copy").textContent = say("copy")), 2000);
  }));
  const recolour = () => {
    colours = palette();
    draw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  addEventListener("resize", () => draw());
  addEventListener("pagehide", () => training?.close());
}

async function begin() {
  colours = palette();
  facts = await ask("facts");
  $("optimizer").replaceChildren(...facts.optimizers.map((name) => element("option", {}, name)));
  breaks = new Breaks(facts.breaks, facts.defaults, {
    start,
    failed: (problem) => showProblem(problem),
    ghost: () => ghost,
  });
  await setLanguage(preferred());
  listen();
  await start(facts.defaults.digits);
  document.body.dataset.ready = "true";
}

guarded(begin)();
