// The request as a command or a program to copy.

import { element, newId } from "./dom.js";

const MAX_BODY = 4000; // a longer request is saved as a file, which the program reads
const FILE = "request.json";

/** The command for a POSIX shell. */
export function curlLine(url, text) {
  const body = text.length > MAX_BODY ? `@${FILE}` : quoted(text);
  return `curl -s -d ${body} ${quoted(url)}`;
}

function quoted(text) {
  return /^[\w:/.@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function python(url, text) {
  const body = text.length > MAX_BODY ? `open("${FILE}", "rb").read()` : "body.encode()";
  const lines = [
    "import json",
    "import urllib.request",
    "",
    ...(text.length > MAX_BODY ? [] : [`body = ${pythonText(text)}`]),
    `request = urllib.request.Request(${pythonText(url)}, ${body})`,
    "with urllib.request.urlopen(request) as response:",
    "    print(json.load(response))",
  ];
  return lines.join("\n");
}

/** JSON's escapes are Python's, but for pairs of surrogates, which JSON text does not need. */
function pythonText(text) {
  return JSON.stringify(text);
}

function javaScript(url, text) {
  const isLong = text.length > MAX_BODY;
  const lines = [
    ...(isLong ? ['import { readFile } from "node:fs/promises";', ""] : []),
    `const body = ${isLong ? `await readFile("${FILE}", "utf8")` : JSON.stringify(text)};`,
    `const response = await fetch(${JSON.stringify(url)}, { method: "POST", body });`,
    "console.log(await response.json());",
  ];
  return lines.join("\n");
}

const FORMS = { curl: curlLine, Python: python, JavaScript: javaScript };

export class Snippets {
  /** @param {string} before what stands there until something was asked. */
  constructor(before) {
    this.form = "curl";
    this.request = null;
    this.line = element("pre.curl", { tabindex: "0", "aria-label": "Request as a program" });
    this.told = element("span.soft", { role: "status" });
    this.before = element("p.soft", {}, before);
    this.save = element("button", { type: "button", hidden: true, on: { click: () => this.saveFile() } }, `Save ${FILE}`);
    this.shown = element(
      "div",
      { hidden: true },
      this.choice(),
      this.line,
      element(
        "div.buttons",
        {},
        element("button", { type: "button", on: { click: () => this.copy() } }, "Copy"),
        this.save,
        this.told,
      ),
    );
    this.element = element("div", {}, this.before, this.shown);
  }

  choice() {
    const group = newId("form");
    const options = Object.keys(FORMS).map((name) => {
      const on = { change: () => this.choose(name) };
      const input = element("input", { type: "radio", name: group, checked: name === "curl", on });
      return element("label", {}, input, name);
    });
    return element("div.forms", { role: "radiogroup", "aria-label": "As" }, ...options);
  }

  choose(name) {
    this.form = name;
    this.write();
  }

  show(url, text) {
    this.request = { url, text };
    this.write();
    this.before.hidden = true;
    this.shown.hidden = false;
  }

  write() {
    const { url, text } = this.request;
    this.line.textContent = FORMS[this.form](url, text);
    this.save.hidden = text.length <= MAX_BODY;
    this.told.textContent = "";
  }

  /** The clipboard is there on this machine and over https; elsewhere the line is selected. */
  async copy() {
    try {
      await navigator.clipboard.writeText(this.line.textContent);
      this.told.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(this.line);
      this.told.textContent = "Selected: copy it with Ctrl+C.";
    }
  }

  saveFile() {
    const href = URL.createObjectURL(new Blob([this.request.text], { type: "application/json" }));
    element("a", { href, download: FILE }).click();
    URL.revokeObjectURL(href);
  }
}
