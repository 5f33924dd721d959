// The texts of the page, in English or Chinese: learn/en.json and learn/zh.json.

const LANGUAGES = ["en", "zh"];
let texts = {};

/** The language to begin with: the one chosen before, or the browser's. */
export function preferred() {
  const asked = new URLSearchParams(location.search).get("lang") ?? navigator.language;
  return asked.startsWith("zh") ? "zh" : "en";
}

export function other() {
  return LANGUAGES.find((code) => code !== document.documentElement.lang);
}

/** Load a language, and write its texts into the page. */
export async function speak(code) {
  texts = await (await fetch(`learn/${code}.json`)).json();
  document.documentElement.lang = code;
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = say(node.dataset.text);
  }
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", say(node.dataset.label));
  }
}

/** A text, with {values} where there are any. */
export function say(key, values) {
  const text = texts[key] ?? key;
  return values === undefined ? text : text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "–");
}

/** A number with four digits that count. */
export function shown(value, digits = 4) {
  if (typeof value !== "number") {
    return "–";
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    return value.toExponential(digits - 2);
  }
  return value.toFixed(size < 10 ? digits : 1);
}
