// The page: which view is shown, and how it follows the models' states.

import { element, section } from "./dom.js";
import { addressItems, pathItems } from "./interface.js";
import { ModelList, versionLine, viewOf } from "./list.js";
import { modelParts, summary } from "./model.js";
import { factsPath, getFacts } from "./server.js";
import { stateOf } from "./words.js";

const main = document.getElementById("main");
const list = new ModelList(
  document.getElementById("models"),
  document.getElementById("connection"),
  () => view?.update(),
);
let view = null;

/** The view of one model; `version` is null for the newest that answers. */
class ModelView {
  constructor(name, version) {
    this.name = name;
    this.version = version;
    this.facts = null;
    this.isLoading = false;
    this.heading = element("h1", { tabindex: "-1" }, name);
    this.about = element("p.soft", { role: "status" }, "Asking the server…");
    this.versions = element("p.versions");
    this.notice = element("div.notice", { role: "status", hidden: true });
    this.parts = element("div");
    const back = element("p.back", {}, element("a", { href: "#" }, "‹ All models"));
    main.replaceChildren(back, this.heading, this.about, this.versions, this.notice, this.parts);
  }

  async load() {
    this.isLoading = true;
    try {
      const facts = await getFacts(factsPath(this.name, this.version));
      if (view === this) {
        this.facts = facts;
        this.about.textContent = `Version ${facts.version} · ${summary(facts)}`;
        this.parts.replaceChildren(...modelParts(facts));
      }
    } catch (error) {
      if (view === this) {
        this.about.textContent = error.message;
        this.parts.replaceChildren();
      }
    }
    this.isLoading = false;
    if (this.facts !== null) {
      this.update();
    }
  }

  /** The states of the versions may have changed; what somebody enters stays. */
  update() {
    if (view !== this || this.isLoading || list.models === null) {
      return;
    }
    const model = list.models.find((one) => one.name === this.name);
    const versions = model?.versions ?? [];
    const ready = versions.filter((one) => stateOf(one) === "ready").map((one) => one.version);
    this.showVersions(versions, ready);
    if (this.facts === null) {
      this.loadIfReady(model, ready);
      return;
    }
    const [newest] = ready;
    if (!ready.includes(this.facts.version)) {
      this.tell(`Version ${this.facts.version} does not answer any more.`, newest);
    } else if (this.version === null && newest !== this.facts.version && newest !== undefined) {
      this.tell(`Version ${newest} is ready.`, newest);
    } else {
      this.notice.hidden = true;
    }
  }

  loadIfReady(model, ready) {
    if (this.version === null ? ready.length > 0 : ready.includes(this.version)) {
      this.load();
    } else if (model === undefined) {
      this.about.textContent = "The server has no model of this name.";
    } else {
      const { version } = this;
      this.about.textContent = version === null
        ? "No version of it can answer now."
        : `Its version ${version} cannot answer now.`;
    }
  }

  showVersions(versions, ready) {
    const shown = this.facts?.version;
    const links = ready.map((version) =>
      element(
        "a",
        { href: viewOf(this.name, version), "aria-current": version === shown ? "page" : null },
        `version ${version}`,
      ),
    );
    const failed = versions.filter((one) => stateOf(one) === "failed").map(versionLine);
    const told = [...(links.length > 1 ? links : []), ...failed];
    const seen = told.map((node) => node.outerHTML).join("");
    if (this.versions.dataset.seen !== seen) {
      this.versions.dataset.seen = seen;
      this.versions.replaceChildren(...told);
    }
  }

  tell(text, newest) {
    if (this.notice.dataset.text === text && !this.notice.hidden) {
      return;
    }
    const use = () => {
      this.version = null;
      this.facts = null;
      this.notice.hidden = true;
      history.replaceState(null, "", viewOf(this.name));
      this.load();
      this.heading.focus();
    };
    const on = { click: use };
    const button = element("button", { type: "button", on }, `Use version ${newest}`);
    this.notice.dataset.text = text;
    this.notice.replaceChildren(text, ...(newest === undefined ? [] : [" ", button]));
    this.notice.hidden = false;
  }
}

/** The view without a model: where the server is, and what it can be asked. */
class StartView {
  constructor() {
    this.heading = element("h1", { tabindex: "-1" }, "Try a model");
    this.addresses = element("dl.addresses");
    this.paths = element("div");
    main.replaceChildren(
      this.heading,
      element("p", {}, "Choose a model from the list to see what it takes, and to ask it."),
      section("Addresses", this.addresses),
      section("REST interface", this.paths),
    );
    this.load();
  }

  async load() {
    try {
      const [{ grpc }, description] = await Promise.all([
        getFacts("server"),
        getFacts("../openapi.json"),
      ]);
      if (view === this) {
        this.addresses.replaceChildren(...addressItems(grpc));
        this.paths.replaceChildren(...pathItems(description));
      }
    } catch (error) {
      this.paths.replaceChildren(element("p.soft", {}, error.message));
    }
  }

  /** Models have come or gone. */
  update() {
    if (list.models !== null) {
      this.load();
    }
  }
}

/** What the address names: a model, perhaps a version. */
function wanted() {
  const [name, version = null] = location.hash.slice(1).split("/");
  try {
    return { name: decodeURIComponent(name), version };
  } catch {
    return { name, version };
  }
}

function showWanted() {
  const { name, version } = wanted();
  document.body.dataset.view = name ? "model" : "start";
  document.title = name ? `${name} - kerasnn` : "Models - kerasnn";
  view = null;
  view = name ? new ModelView(name, version) : new StartView();
  view.update();
  list.choose(name || null);
}

window.addEventListener("hashchange", () => {
  showWanted();
  window.scrollTo(0, 0);
  view.heading.focus({ preventScroll: true });
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
showWanted();
list.start();
