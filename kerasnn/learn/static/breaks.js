// Break it: a question, a training with one thing wrong, and what happened.

import { element } from "./dom.js";
import { say, shown } from "./language.js";
import { Training } from "./training.js";

const ANSWERS = ["a", "b", "c"];
const RIGHT = {
  "new-adam": "b",
  "signed-labels": "b",
  "no-scaling": "c",
  "dead-relu": "c",
  leak: "a",
  "high-rate": "c",
};
const $ = (id) => document.getElementById(id);

export class Breaks {
  /**
   * @param {object} facts of the server: `breaks`, the settings under which each shows;
   *     `defaults`, those of a sound training; `break_epochs`.
   * @param {{start: function, failed: function}} page starts trainings, and shows problems.
   */
  constructor(facts, page) {
    [this.settings, this.defaults, this.page] = [facts.breaks, facts.defaults, page];
    this.epochs = facts.break_epochs;
    this.sound = {}; // promises of the trainings without the break, by their settings
    this.name = null; // of the break whose question is open
    this.runs = false;
    $("question").querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.break();
    });
    $("mend").addEventListener("click", () => this.mend());
  }

  /** Write everything in the language of the page. */
  show() {
    $("breaks").replaceChildren(
      ...Object.keys(this.settings).map((name) => {
        const pressed = String(name === this.name);
        const on = { click: () => this.ask(name) };
        return element("button", { type: "button", id: `break-${name}`, "aria-pressed": pressed, on }, say(name));
      }),
    );
    $("question").hidden = this.name === null;
    if (this.name !== null) {
      this.showQuestion();
    }
  }

  showQuestion() {
    const guessed = this.guess();
    $("question-text").textContent = say(`${this.name}-question`);
    $("guesses").replaceChildren(
      ...ANSWERS.map((answer) =>
        element(
          "label",
          {},
          element("input", { type: "radio", name: "guess", value: answer, required: true, checked: answer === guessed }),
          element("span", {}, say(`${this.name}-${answer}`)),
        ),
      ),
    );
    $("mend").hidden = !this.runs;
    if (this.told) {
      this.explain(this.told);
    } else {
      $("explanation").textContent = this.runs ? say("watch", { epochs: this.epochs }) : "";
    }
  }

  guess() {
    return document.querySelector("#guesses input:checked")?.value;
  }

  ask(name) {
    [this.name, this.runs, this.told] = [name, false, null];
    $("guesses").replaceChildren();
    this.show();
    $("guesses").querySelector("input").focus();
    this.trainSound(name).catch(this.page.failed);
  }

  /** The settings without the break. */
  mended(name) {
    const { broken, ...settings } = this.settings[name];
    return broken === "high-rate" ? this.defaults[settings.data] : { ...settings, broken: "" };
  }

  /** Train the same without the break, while the question is read. */
  async trainSound(name) {
    const settings = this.mended(name);
    const key = JSON.stringify(settings);
    this.sound[key] ??= this.soundTraining(settings);
    try {
      return await this.sound[key];
    } catch (problem) {
      delete this.sound[key];
      throw problem;
    }
  }

  async soundTraining(settings) {
    const training = await Training.open(settings);
    for (let epoch = 0; epoch < this.epochs; epoch += 1) {
      await training.step({ epochs: 1 });
    }
    await training.end();
    return training;
  }

  async break() {
    const name = this.name;
    [this.runs, this.told] = [true, null];
    this.showQuestion();
    try {
      const sound = await this.trainSound(name);
      await this.page.start(this.settings[name], { ghost: sound, plays: true });
      $("picture-title").scrollIntoView({ block: "start" });
    } catch (problem) {
      this.page.failed(problem);
    }
  }

  /** Put the question away: the reader has gone on to other rows. */
  leave() {
    [this.name, this.runs, this.told] = [null, false, null];
    this.show();
  }

  async mend() {
    const name = this.name;
    this.leave();
    $(`break-${name}`).focus();
    try {
      await this.page.start(this.mended(name), { plays: true });
    } catch (problem) {
      this.page.failed(problem);
    }
  }

  /** Look at a frame of the training: is it time to explain? Return whether it was. */
  look(training) {
    const done = training.frame.epoch >= this.epochs || training.frame.state === "diverged";
    const isOurs = training.facts.settings.broken === this.name && this.page.ghost();
    if (!this.runs || this.told || !done || !isOurs) {
      return false;
    }
    this.told = { ...training, sound: this.page.ghost().frame }; // as it is now
    this.explain(this.told);
    $("explanation").scrollIntoView({ block: "nearest" });
    return true;
  }

  explain({ frame, facts, sound }) {
    const { trained, score, later, dead } = frame;
    const values = {
      loss: shown(trained, 3),
      score: shown(score, 3),
      later: shown(later, 3),
      dead: dead?.length,
      units: facts.sizes[1],
      soundLoss: shown(sound.trained, 3),
      soundScore: shown(sound.score, 3),
    };
    const right = this.guess() === RIGHT[this.name];
    $("explanation").replaceChildren(
      element(right ? "p.right" : "p.miss", {}, say(right ? "right" : "miss")),
      element("p", {}, say(`${this.name}-measured`, values)),
      element("p", {}, say(`${this.name}-explained`, values)),
    );
  }
}
