// Fields of a form, one for each column of a table. A field has `element`, `value()`, which
// throws a FieldError where what stands there cannot be sent, and `reset()`.

import { element, newId } from "./dom.js";
import { number } from "./words.js";

const MISSING = "missing:";
const OTHER = "other:";
const LEVEL = "level:";

/** What stands in a field cannot be sent. */
export class FieldError extends Error {}

/** The field for a column of a schema. */
export function fieldFor(column, changed) {
  if (column.kind === "numeric") {
    return numberField(column, changed);
  }
  if (column.kind === "datetime" && column.first) {
    return dateField(column, changed);
  }
  if (column.levels?.length) {
    return choiceField(column, changed);
  }
  return textField(column, changed);
}

/**
 * A number: typed, or by a slider where a range is known.
 *
 * @param {{name: string, low?: number, high?: number, required?: boolean}} column the range is
 *   that of the training rows; other numbers may be sent too.
 * @param {function()} changed is called after each change.
 */
export function numberField({ name, low, high, required = false }, changed) {
  const ranged = Number.isFinite(low) && Number.isFinite(high) && low < high;
  const step = ranged ? niceStep(low, high) : 1;
  const start = ranged ? onStep((low + high) / 2, step) : String(low ?? 0);
  const input = element("input", {
    type: "text",
    inputmode: low >= 0 ? "decimal" : "text", // a phone's decimal keys have no minus
    autocomplete: "off",
    value: start,
    placeholder: required ? "a number" : "missing",
  });
  const hint = ranged ? `${number(low, 6)} to ${number(high, 6)}` : "";
  const field = labelled(name, input, hint);
  const slider = ranged ? makeSlider(low, high, start) : null;
  if (slider !== null) {
    slider.addEventListener("input", () => {
      input.value = onStep(Number(slider.value), step);
      input.dispatchEvent(new Event("input"));
    });
    input.after(slider);
  }
  input.addEventListener("input", () => {
    const typed = parseFloat(input.value);
    if (slider !== null && document.activeElement !== slider && Number.isFinite(typed)) {
      slider.value = typed;
    }
    changed();
  });
  return {
    element: field.element,
    value: () => field.checked(() => readNumber(input.value, required)),
    reset: () => {
      input.value = start;
      if (slider !== null) {
        slider.value = start;
      }
    },
  };
}

function readNumber(typed, required) {
  const text = typed.trim();
  if (text === "") {
    if (required) {
      throw new FieldError("A number is needed here.");
    }
    return NaN;
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) {
    const comma = text.includes(",") ? " The decimal sign is a point." : "";
    throw new FieldError(`“${text}” is not a number.${comma}`);
  }
  return Number(text);
}

/** The slider helps the mouse; keys and screen readers have the number beside it. */
function makeSlider(low, high, start) {
  const attributes = { type: "range", min: low, max: high, step: "any", value: start };
  return element("input", { ...attributes, tabindex: "-1", "aria-hidden": "true" });
}

/** About a hundredth of the range, as 1, 2 or 5 of some power of ten; 1 between whole ends. */
function niceStep(low, high) {
  const fine = (high - low) / 100;
  const power = 10 ** Math.floor(Math.log10(fine));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= fine * 0.999);
  const whole = Number.isInteger(low) && Number.isInteger(high) && high - low >= 2;
  return whole ? Math.max(1, step) : step;
}

function onStep(value, step) {
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const rounded = Math.round(value / step) * step;
  return digits > 15 || rounded >= 1e15 ? String(value) : String(Number(rounded.toFixed(digits)));
}

/** One of the levels that the training rows had, or another text, or missing. */
function choiceField({ name, levels, counts = [], n_levels: known = levels.length }, changed) {
  const options = [
    ...levels.map((level) => element("option", { value: LEVEL + level }, level)),
    element("option", { value: OTHER }, "another value…"),
    element("option", { value: MISSING }, "missing"),
  ];
  const select = element("select", {}, ...options);
  const most = counts.length ? counts.indexOf(Math.max(...counts)) : 0;
  const start = LEVEL + levels[Math.max(0, most)];
  select.value = start;
  const other = element("input", { type: "text", autocomplete: "off", hidden: true });
  other.setAttribute("aria-label", `${name}: another value`);
  const hint = known > levels.length ? `${levels.length} of ${number(known)} values` : "";
  const field = labelled(name, select, hint);
  select.after(other);
  select.addEventListener("change", () => {
    other.hidden = select.value !== OTHER;
    if (!other.hidden) {
      other.focus();
    }
    changed();
  });
  other.addEventListener("input", changed);
  return {
    element: field.element,
    value: () => {
      if (select.value === OTHER) {
        return other.value;
      }
      return select.value === MISSING ? "" : select.value.slice(LEVEL.length);
    },
    reset: () => {
      select.value = start;
      other.hidden = true;
    },
  };
}

/** A day, or a time of a day where the training rows had those. */
function dateField({ name, first, last }, changed) {
  const days = [first, last].every((text) => /T00:00:00$|^[^T]*$/.test(text ?? ""));
  const width = days ? 10 : 19;
  const start = (last ?? first).slice(0, width);
  const type = days ? "date" : "datetime-local";
  const input = element("input", { type, value: start, step: days ? null : "1" });
  const shown = [first, last ?? first].map((text) => text.slice(0, width).replace("T", " "));
  const field = labelled(name, input, shown.join(" to "));
  input.addEventListener("input", changed);
  return {
    element: field.element,
    value: () =>
      field.checked(() => {
        if (input.validity.badInput) {
          throw new FieldError("This date is not complete.");
        }
        return input.value;
      }),
    reset: () => {
      input.value = start;
    },
  };
}

function textField({ name }, changed) {
  const input = element("input", { type: "text", autocomplete: "off", placeholder: "missing" });
  const field = labelled(name, input, "");
  input.addEventListener("input", changed);
  return {
    element: field.element,
    value: () => input.value,
    reset: () => {
      input.value = "";
    },
  };
}

/** A control with its label, its hint, and a place for what is wrong with it. */
function labelled(name, control, hint) {
  const id = newId("field");
  control.id = id;
  const problem = element("span.problem", { id: `${id}-problem` });
  const parts = [element("label", { for: id }, name), control];
  const described = [problem.id];
  if (hint) {
    parts.push(element("span.hint", { id: `${id}-hint` }, hint));
    described.unshift(`${id}-hint`);
  }
  control.setAttribute("aria-describedby", described.join(" "));
  const show = (text) => {
    problem.textContent = text;
    if (text) {
      control.setAttribute("aria-invalid", "true");
    } else {
      control.removeAttribute("aria-invalid");
    }
  };
  return {
    element: element("div.field", {}, ...parts, problem),
    checked: (read) => {
      try {
        const value = read();
        show("");
        return value;
      } catch (error) {
        show(error.message);
        throw error;
      }
    },
  };
}
