// JSON as TensorFlow Serving writes and reads it: NaN, Infinity and -Infinity are numbers.

const TOKENS = /"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** As text, on one line. */
export function writeJson(value) {
  if (typeof value === "number" && !Number.isFinite(value)) {
    return String(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(writeJson).join(", ")}]`;
  }
  if (value !== null && typeof value === "object") {
    const pairs = Object.entries(value).map(
      ([key, one]) => `${JSON.stringify(key)}: ${writeJson(one)}`,
    );
    return `{${pairs.join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** The value; numbers that JavaScript's JSON cannot hold, such as NaN, become texts. */
export function readJson(text) {
  return JSON.parse(text.replace(TOKENS, (token) => (isKept(token) ? token : `"${token}"`)));
}

function isKept(token) {
  if (token.startsWith('"')) {
    return true;
  }
  const value = Number(token);
  return Number.isFinite(value) && (/[.eE]/.test(token) || Number.isSafeInteger(value));
}
