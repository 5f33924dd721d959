// Fields of a form, one for each column of a table. A field has `element`, `value()`, which
// throws a FieldError where what stands there cannot be sent, `caution()`, a short text where
// the training rows had nothing like it, and `reset()`.

import { element, newId } from "./dom.js";
import { number } from "./words.js";

const MISSING = "missing:";
const OTHER = "other:";
const LEVEL = "level:";
const UNSEEN = "no training row had this";
const MAX_CHOICES = 15; // more levels are searched by typing

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
    const isLong = column.levels.length > MAX_CHOICES;
    return isLong ? searchField(column, changed) : choiceField(column, changed);
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
  const missing = required ? null : makeMissing(name, input, start);
  if (slider !== null) {
    slider.addEventListener("input", () => {
      input.value = onStep(Number(slider.value), step);
      input.dispatchEvent(new Event("input"));
    });
    input.after(slider);
  }
  if (missing !== null) {
    field.element.append(missing.element);
  }
  const follow = () => {
    const typed = parseFloat(input.value);
    if (slider !== null && document.activeElement !== slider && Number.isFinite(typed)) {
      slider.value = typed;
    }
    const isMissing = !required && input.value.trim() === "";
    missing?.show(isMissing);
    slider?.toggleAttribute("hidden", isMissing);
  };
  input.addEventListener("input", () => {
    follow();
    changed();
  });
  return {
    element: field.element,
    value: () => field.checked(() => readNumber(input.value, required)),
    caution: () => field.warned(ranged ? outside(parseFloat(input.value), low, high) : ""),
    reset: () => {
      input.value = start;
      follow();
    },
  };
}

/** A box that empties the input, and brings back what stood there. */
function makeMissing(name, input, start) {
  let before = start;
  const box = element("input", { type: "checkbox", "aria-label": `${name} is missing` });
  box.addEventListener("change", () => {
    if (box.checked) {
      before = input.value;
    }
    input.value = box.checked ? "" : before;
    input.dispatchEvent(new Event("input"));
  });
  return {
    element: element("label.missing", {}, box, "missing"),
    show: (isMissing) => {
      box.checked = isMissing;
    },
  };
}

/** In words, where a value lies outside the range of the training rows; else "". */
function outside(value, low, high, shown = (end) => number(end, 6)) {
  return value < low || value > high
    ? `outside ${shown(low)} to ${shown(high)}, the range of the training`
    : "";
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

function inOrder(levels) {
  return [...levels].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** The level that most training rows had. */
function mostFrequent(levels, counts) {
  return levels[counts.length ? Math.max(0, counts.indexOf(Math.max(...counts))) : 0];
}

/** One of many levels, found by typing a part of it; empty means missing. */
function searchField({ name, levels, counts = [], n_levels: known = levels.length }, changed) {
  const list = element(
    "datalist",
    { id: newId("levels") },
    ...inOrder(levels).map((level) => element("option", { value: level })),
  );
  const start = mostFrequent(levels, counts);
  const input = element("input", {
    type: "text",
    autocomplete: "off",
    value: start,
    placeholder: "missing",
    list: list.id,
  });
  const field = labelled(name, input, `${number(known)} values; type to search`);
  field.element.append(list);
  const all = new Set(levels);
  input.addEventListener("input", changed);
  return {
    element: field.element,
    value: () => input.value,
    caution: () => field.warned(
      input.value === "" || all.has(input.value) || known > levels.length ? "" : UNSEEN,
    ),
    reset: () => {
      input.value = start;
    },
  };
}

/** One of the levels that the training rows had, or another text, or missing. */
function choiceField({ name, levels, counts = [] }, changed) {
  const options = [
    ...inOrder(levels).map((level) => element("option", { value: LEVEL + level }, level)),
    element("option", { value: OTHER }, "another value…"),
    element("option", { value: MISSING }, "missing"),
  ];
  const select = element("select", {}, ...options);
  const start = LEVEL + mostFrequent(levels, counts);
  select.value = start;
  const other = element("input", { type: "text", autocomplete: "off", hidden: true });
  other.setAttribute("aria-label", `${name}: another value`);
  const field = labelled(name, select, "");
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
    caution: () => field.warned(
      select.value === OTHER && other.value !== "" && !levels.includes(other.value) ? UNSEEN : "",
    ),
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
  const ends = [first, last ?? first].map((text) => text.slice(0, width));
  const shown = ends.map((text) => text.replace("T", " "));
  const field = labelled(name, input, `${shown.join(" to ")}; empty: missing`);
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
    caution: () => field.warned(
      input.value ? outside(input.value, ...ends, (end) => end.replace("T", " ")) : "",
    ),
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
    caution: () => "",
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
  const caution = element("span.caution", { id: `${id}-caution` });
  const parts = [element("label", { for: id }, name), control];
  const described = [problem.id, caution.id];
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
    element: element("div.field", {}, ...parts, caution, problem),
    warned: (text) => {
      caution.textContent = text;
      return text && `${name}: ${text}`;
    },
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
