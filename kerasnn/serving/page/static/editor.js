// A question written as JSON, for any signature of any model.

import { element, newId } from "./dom.js";
import { tensorType } from "./words.js";

const MAX_VALUES = 2000; // an example of more is no help
const ZEROS = { string: '""', bool: "false" };

export class Editor {
  /**
   * @param {object[]} signatures as the server tells them; at least one.
   * @param {object|null} manifest of the model.
   * @param {function()} asked is called when the request is to be sent.
   */
  constructor(signatures, manifest, asked) {
    this.signatures = new Map(signatures.map((one) => [one.key, one]));
    this.texts = new Map(signatures.map((one) => [one.key, exampleRequest(one, manifest)]));
    this.choice = this.makeChoice();
    this.area = element("textarea", { id: newId("json"), rows: "6", spellcheck: "false" });
    this.takes = element("p.hint", { id: newId("takes") });
    this.area.setAttribute("aria-describedby", this.takes.id);
    this.area.addEventListener("input", () => this.texts.set(this.choice.value, this.area.value));
    this.area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        asked();
      }
    });
    this.element = this.makeElement(asked);
    this.show();
  }

  /** What to send, as it stands there: the server tells what is wrong with it. */
  request() {
    return { verb: verbOf(this.signatures.get(this.choice.value)), text: this.area.value };
  }

  makeChoice() {
    const keys = [...this.signatures.keys()];
    const options = keys.map((key) => element("option", { value: key }, key));
    const on = { change: () => this.show() };
    return element("select", { id: newId("signature"), on }, ...options);
  }

  makeElement(asked) {
    const submit = (event) => {
      event.preventDefault();
      asked();
    };
    return element(
      "form",
      { on: { submit } },
      element(
        "div.field",
        {},
        element("label", { for: this.choice.id }, "Signature"),
        this.choice,
      ),
      element(
        "div.field",
        {},
        element("label", { for: this.area.id }, "Request, as JSON"),
        this.area,
        this.takes,
      ),
      element(
        "div.buttons",
        {},
        element("button.main", { type: "submit" }, "Ask"),
        element("span.soft", {}, "or Ctrl+Enter"),
      ),
    );
  }

  show() {
    this.area.value = this.texts.get(this.choice.value);
    const { inputs } = this.signatures.get(this.choice.value);
    const listed = inputs.slice(0, 12).map((one) => `${one.name} ${tensorType(one)}`);
    const more = inputs.length > listed.length ? ` and ${inputs.length - listed.length} more` : "";
    const isLong = !this.area.value;
    const long = isLong ? " An example of so many numbers is too long to show here." : "";
    this.takes.textContent = `It takes ${listed.join(", ") || "nothing"}${more}.${long}`;
  }
}

/** Classify and Regress take signatures by their form, whatever method those name. */
function verbOf({ inputs, outputs }) {
  const ofExamples = inputs.length === 1 && inputs[0].name === "inputs" && isText(inputs[0]);
  const names = outputs.map((output) => output.name);
  if (ofExamples && names.length && names.every((name) => ["classes", "scores"].includes(name))) {
    return "classify";
  }
  return ofExamples && names.length === 1 && names[0] === "outputs" ? "regress" : "predict";
}

function isText({ dtype }) {
  return dtype === "string";
}

/** A request that the signature takes, of zeros and empty texts; "" where it is too long. */
export function exampleRequest(signature, manifest) {
  const { key } = signature;
  if (verbOf(signature) === "predict" && signature.inputs.some(isTooLong)) {
    return "";
  }
  const parts = key === "serving_default" ? [] : [`"signature_name": ${JSON.stringify(key)}`];
  if (verbOf(signature) !== "predict") {
    parts.push(`"examples": [${exampleFeatures(manifest)}]`);
  } else if (signature.inputs.every(hasRows)) {
    parts.push(`"instances": [\n  ${exampleRow(signature.inputs)}\n]`);
  } else {
    const pairs = signature.inputs.map(
      (one) => `${JSON.stringify(one.name)}: ${zeros(one, one.shape)}`,
    );
    parts.push(`"inputs": {\n  ${pairs.join(",\n  ")}\n}`);
  }
  return `{${parts.join(", ")}}`;
}

function isTooLong({ shape }) {
  return sizesOf(shape).reduce((all, size) => all * size, 1) > MAX_VALUES;
}

function sizesOf(shape) {
  return (shape ?? []).map((size) => size ?? 1);
}

function hasRows({ shape }) {
  return shape === null || (shape.length > 0 && shape[0] === null);
}

function exampleRow(inputs) {
  const values = inputs.map((one) => zeros(one, (one.shape ?? [null]).slice(1)));
  if (inputs.length === 1) {
    return values[0];
  }
  return `{${inputs.map((one, i) => `${JSON.stringify(one.name)}: ${values[i]}`).join(", ")}}`;
}

/** A feature for each input that the manifest tells: numbers need their decimal point. */
function exampleFeatures(manifest) {
  const named = Object.entries(manifest?.inputs ?? { feature: { dtype: "float32" } });
  const pairs = named.map(([name, { dtype, columns }]) => {
    const value = dtype === "string" ? '""' : "0.0";
    return `${JSON.stringify(name)}: ${columns ? zeros({ dtype }, [columns.length]) : value}`;
  });
  return `{${pairs.join(", ")}}`;
}

function zeros({ dtype }, shape) {
  const sizes = sizesOf(shape);
  const zero = ZEROS[dtype] ?? (/^(float|double)/.test(dtype) ? "0.0" : "0");
  return sizes.reduceRight((inner, size) => `[${Array(size).fill(inner).join(", ")}]`, zero);
}
