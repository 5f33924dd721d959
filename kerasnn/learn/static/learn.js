// The page: settings, the training that is shown, its buttons, the reader's table and drawing.

import { Breaks } from "./breaks.js";
import { element } from "./dom.js";
import { other, preferred, say, shown, speak } from "./language.js";
import { MAX_INK } from "./ink.js";
import { Pad, pixelNames } from "./pad.js";
import { Problem, Training, ask } from "./training.js";
import { draw, recolour, showFacts } from "./view.js";

const $ = (id) => document.getElementById(id);
const NUMBERS = ["learning_rate", "width", "batch_size", "seed"];
const SLOW_MS = 150; // between two drawings of curves and tables while it trains

let facts; // limits, choices, settings to begin with
let training = null;
let ghost = null; // the sound training that a broken one is compared with
let broken = "";
let table = {}; // the reader's: its key, and the column to predict
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
  const last = training;
  training = null;
  showPlaying();
  await last?.end();
  const opened = await Training.open(wanted, wanted.data === "csv" ? table : {});
  if (mine !== opening) {
    await opened.end();
    return;
  }
  training = opened;
  ghost = beside;
  show();
  sendDrawn();
  if (plays) {
    play();
  }
}

function forget() {
  training?.leave();
  training = null;
  showPlaying();
}

/** Say what is wrong, or nothing any more. */
function showProblem(problem) {
  const unknown = { code: "failed", values: { detail: String(problem) } };
  const { code, values } = problem instanceof Problem ? problem : unknown;
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
    draw(training, ghost);
    const { epoch, loss, score } = training.frame;
    $("said").textContent = say("said", { epoch, loss: shown(loss), score: shown(score) });
  }
}

/** Show the training as it is, in the language and colours of the page. */
function show() {
  showPlaying();
  if (training) {
    showFacts(training, ghost);
    draw(training, ghost);
  }
}

function showPlaying() {
  const plays = Boolean(training?.plays);
  $("fps").textContent = "–";
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
    if (!training || (!training.plays && training.frame.state === "ready")) {
      return; // what is shown after a pause comes with its answer
    }
    const all = performance.now() - slowAt > SLOW_MS;
    slowAt = all ? performance.now() : slowAt;
    draw(training, ghost, all);
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
      draw(training, ghost);
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
  show();
}

function listen() {
  $("language").addEventListener("click", guarded(() => setLanguage(other())));
  $("settings").addEventListener("submit", (event) => event.preventDefault());
  for (const id of [...NUMBERS, "optimizer"]) {
    $(id).addEventListener("change", guarded(() => start(null, { plays: training?.plays, ghost })));
  }
  for (const choice of document.querySelectorAll("[name=data]")) {
    choice.addEventListener("change", guarded(() => {
      breaks.leave();
      return start(facts.defaults[data()]);
    }));
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
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    recolour();
    show();
  });
  addEventListener("resize", show);
  addEventListener("pagehide", () => training?.leave());
}

async function begin() {
  facts = await ask("facts");
  $("optimizer").replaceChildren(...facts.optimizers.map((name) => element("option", {}, name)));
  breaks = new Breaks(facts, {
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
