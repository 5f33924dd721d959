// A question made of fields, for a model whose manifest names its columns.

import { element } from "./dom.js";
import { FieldError, fieldFor, numberField } from "./fields.js";
import { writeJson } from "./json.js";
import { REASONS } from "./reasons.js";

/** What each input of a model takes, from its manifest; null where that tells no columns. */
export function columnsOf(manifest, signature) {
  const described = Object.entries(manifest?.inputs ?? {});
  const taken = new Set(signature.inputs.map((input) => input.name));
  if (!described.length || !described.every(([name]) => taken.delete(name)) || taken.size) {
    return null;
  }
  const known = new Map((manifest.schema?.columns ?? []).map((column) => [column.name, column]));
  const inputs = described.map(([name, { column, columns, dtype }]) => {
    if (typeof column === "string") {
      return { name, column: known.get(column) ?? { name: column, kind: kindOf(dtype) } };
    }
    return Array.isArray(columns) && isNumber(dtype) ? { name, columns } : null;
  });
  return inputs.includes(null) ? null : inputs;
}

function kindOf(dtype) {
  return isNumber(dtype) ? "numeric" : "categorical";
}

function isNumber(dtype) {
  return /^(float|double)/.test(dtype);
}

export class Form {
  /**
   * @param {object[]} inputs as `columnsOf` gives them.
   * @param {function()} changed is called after each change.
   */
  constructor(inputs, changed) {
    this.inputs = inputs.map(({ name, column, columns }) => ({
      name,
      fields: (columns ?? [column]).map((one) =>
        columns ? numberField({ name: one, required: true }, changed) : fieldFor(one, changed),
      ),
      isList: columns !== undefined,
    }));
    this.fields = this.inputs.flatMap((input) => input.fields);
    const reset = () => {
      this.fields.forEach((field) => field.reset());
      changed();
    };
    this.element = element(
      "form",
      { on: { submit: (event) => event.preventDefault() } },
      element("div.fields", {}, ...this.fields.map((field) => field.element)),
      element(
        "div.buttons",
        {},
        element("button", { type: "button", on: { click: reset } }, "Back to the first values"),
        element("span.soft", {}, "The answer follows what you enter."),
      ),
    );
  }

  /** What to send; null where a field cannot be sent, which says so itself. */
  request() {
    const read = this.inputs.map(({ name, fields, isList }) => {
      const values = fields.map(valueOrError);
      return [name, isList ? values : values[0]];
    });
    if (read.some(([, value]) => [value].flat().some((one) => one instanceof FieldError))) {
      return null;
    }
    const cautions = this.fields.map((field) => field.caution()).filter(Boolean);
    const lone = this.inputs.length === 1 && this.inputs[0].isList;
    const row = lone ? read[0][1] : Object.fromEntries(read);
    const explained = writeJson({ signature_name: REASONS, instances: [row] });
    return { verb: "predict", text: writeJson({ instances: [row] }), explained, cautions };
  }
}

/** Every field is read, so that each one tells what is wrong with it. */
function valueOrError(field) {
  try {
    return field.value();
  } catch (error) {
    if (error instanceof FieldError) {
      return error;
    }
    throw error;
  }
}
