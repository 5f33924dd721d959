// Numbers, types, states and times as a person reads them.

const STATES = {
  START: "loading",
  LOADING: "loading",
  AVAILABLE: "ready",
  UNLOADING: "unloading",
};
const NAMES = {
  auc: "AUC",
  brier: "Brier score",
  mae: "MAE",
  r2: "R²",
  rmse: "RMSE",
};

/** "ready", "loading", "unloading", "unloaded" or "failed". */
export function stateOf(status) {
  return STATES[status.state] ?? (status.code === "OK" ? "unloaded" : "failed");
}

/** With up to `digits` digits that count. */
export function number(value, digits = 4) {
  if (typeof value !== "number") {
    return String(value);
  }
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) {
    return value.toExponential(digits - 1);
  }
  const whole = size >= 10 ** digits;
  const options = whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits };
  return value.toLocaleString("en", options);
}

/** A share of 1 as percent. */
export function percent(share) {
  if (typeof share !== "number") {
    return String(share);
  }
  if (share > 0 && share < 0.001) {
    return "< 0.1 %";
  }
  if (share > 0.999 && share < 1) {
    return "> 99.9 %";
  }
  return `${(100 * share).toFixed(1)} %`;
}

/** The name of a metric. */
export function metricName(key) {
  return NAMES[key] ?? key.replaceAll("_", " ");
}

/** "float32 [rows, 64]". */
export function tensorType({ dtype, shape }) {
  return `${dtype} ${shapeText(shape)}`;
}

/** "[rows, 64]", "one value", or "any shape". */
export function shapeText(shape) {
  if (shape === null) {
    return "of any shape";
  }
  const sizes = shape.map((size, axis) => size ?? (axis === 0 ? "rows" : "any"));
  return sizes.length ? `[${sizes.join(", ")}]` : "one value";
}

/** "23 Nov 2026", or the text as it is where it is no time. */
export function day(text) {
  const time = new Date(text);
  const options = { day: "numeric", month: "short", year: "numeric" };
  return Number.isNaN(time.getTime()) ? String(text) : time.toLocaleDateString("en-GB", options);
}
