// The list of models with the states of their versions, asked for again every few seconds.

import { element } from "./dom.js";
import { getFacts } from "./server.js";
import { stateOf } from "./words.js";

const SECONDS = 3;
const NONE = "There are none yet. One that comes is shown here.";

/** The address of a model's view, or of that of one version. */
export function viewOf(name, version = null) {
  const hash = `#${encodeURIComponent(name)}`;
  return version === null ? hash : `${hash}/${version}`;
}

export class ModelList {
  /**
   * @param {HTMLElement} list where the models are shown.
   * @param {HTMLElement} told where it is told whether the server answers.
   * @param {function(object[])} changed gets the models whenever they are others.
   */
  constructor(list, told, changed) {
    this.list = list;
    this.told = told;
    this.changed = changed;
    this.seen = "";
    this.models = null; // until the server has told them
    this.chosen = null;
  }

  /** Ask now and every few seconds, while somebody looks. */
  start() {
    const again = async () => {
      if (!document.hidden) {
        await this.refresh();
      }
      setTimeout(again, SECONDS * 1000);
    };
    document.addEventListener("visibilitychange", () => !document.hidden && this.refresh());
    again();
  }

  async refresh() {
    try {
      const { models } = await getFacts("models");
      const isBack = this.tell(models.length ? "" : NONE);
      if (JSON.stringify(models) !== this.seen || isBack) {
        this.seen = JSON.stringify(models);
        this.models = models;
        this.show();
        this.changed(models);
      }
    } catch (error) {
      this.tell(error.message);
    }
  }

  /** Mark the model that is looked at. */
  choose(name) {
    this.chosen = name;
    for (const link of this.list.querySelectorAll("a")) {
      mark(link, link.dataset.name === name);
    }
  }

  /** Whether that is something else than before. */
  tell(text) {
    const isNew = this.told.textContent !== text;
    if (isNew) {
      this.told.textContent = text;
    }
    return isNew;
  }

  show() {
    const focused = this.list.contains(document.activeElement)
      ? document.activeElement.getAttribute("href")
      : null;
    this.list.replaceChildren(...this.models.map((model) => this.item(model)));
    if (focused !== null) {
      const links = [...this.list.querySelectorAll("a")];
      links.find((link) => link.getAttribute("href") === focused)?.focus();
    }
  }

  item({ name, versions }) {
    const link = element("a", { href: viewOf(name) }, name);
    link.dataset.name = name;
    mark(link, name === this.chosen);
    const shown = versions.filter((one) => stateOf(one) !== "unloaded");
    const listed = shown.length ? shown : versions.slice(0, 1);
    return element("li", {}, link, ...listed.map(versionLine));
  }
}

/** "version 2 ready", and for a failed version why. */
export function versionLine(status) {
  const state = stateOf(status);
  return element(
    "p.version",
    {},
    element(`span.state.${state}`, {}, `version ${status.version} ${state}`),
    state === "failed" ? element("span.problem", {}, status.message || status.code) : null,
  );
}

function mark(link, isChosen) {
  if (isChosen) {
    link.setAttribute("aria-current", "page");
  } else {
    link.removeAttribute("aria-current");
  }
}
