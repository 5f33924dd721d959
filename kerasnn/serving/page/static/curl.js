// The request as a command to copy.

import { element } from "./dom.js";

/** The command for a POSIX shell. */
export function curlLine(url, text) {
  return `curl -s -d ${quoted(text)} ${quoted(url)}`;
}

function quoted(text) {
  return /^[\w:/.@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export class Curl {
  /** @param {string} before what stands there until something was asked. */
  constructor(before) {
    this.line = element("pre.curl", { tabindex: "0", "aria-label": "Request as a curl command" });
    this.told = element("span.soft", { role: "status" });
    const copy = element("button", { type: "button", on: { click: () => this.copy() } }, "Copy");
    this.before = element("p.soft", {}, before);
    this.shown = element(
      "div",
      { hidden: true },
      this.line,
      element("div.buttons", {}, copy, this.told),
    );
    this.element = element("div", {}, this.before, this.shown);
  }

  show(url, text) {
    this.line.textContent = curlLine(url, text);
    this.told.textContent = "";
    this.before.hidden = true;
    this.shown.hidden = false;
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
}
