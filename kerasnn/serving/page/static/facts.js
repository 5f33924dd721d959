// What is told of a model: metrics, signatures, report.

import { element, section } from "./dom.js";
import { factsPath } from "./server.js";
import { metricName, number, tensorType } from "./words.js";

const REPORT = "report.html";
const MAX_OPEN = 12; // inputs and outputs of a signature that is shown unfolded

/** The metrics of the manifest, those of its baselines beside them; null where it has none. */
export function metricsSection(manifest) {
  const { metrics, intervals = {}, baselines = {} } = manifest ?? {};
  const keys = Object.keys(metrics ?? {}).filter(
    (key) => typeof metrics[key] === "number" && !(key === "error" && "accuracy" in metrics),
  );
  if (!keys.length) {
    return null;
  }
  const others = Object.keys(baselines);
  const head = ["", "network", ...others].map((text) => element("th", { scope: "col" }, text));
  const rows = keys.map((key) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, metricName(key)),
      element("td", {}, number(metrics[key]), interval(intervals[key])),
      ...others.map((name) => element("td", {}, shown(baselines[name]?.[key]))),
    ),
  );
  const on = manifest.measured_on ?? metrics.rows;
  const interval95 = Object.keys(intervals).length ? ", with 95% intervals" : "";
  return section(
    "Metrics",
    typeof on === "string" ? element("p.soft", {}, `On ${on}${interval95}.`) : null,
    scrolled(
      "Metrics",
      element(
        "table.metrics",
        {},
        others.length ? element("thead", {}, element("tr", {}, ...head)) : null,
        element("tbody", {}, ...rows),
      ),
    ),
  );
}

function interval(ends) {
  return Array.isArray(ends)
    ? element("span.soft", {}, ` (${ends.map((end) => number(end)).join(" to ")})`)
    : null;
}

function shown(value) {
  return typeof value === "number" ? number(value) : "";
}

/** Every signature with its inputs and outputs. */
export function signaturesSection({ signatures, manifest }) {
  return section(
    "Signatures",
    ...signatures.map((signature, i) => {
      const { inputs, outputs } = signature;
      const open = i === 0 && inputs.length + outputs.length <= MAX_OPEN;
      const counts = `${counted(inputs, "input")}, ${counted(outputs, "output")}`;
      return element(
        "details",
        { open },
        element("summary", {}, element("strong", {}, signature.key), ` ${counts}`),
        scrolled(
          signature.key,
          element(
            "table",
            {},
            element(
              "tbody",
              {},
              ...tensorRows("in", inputs, manifest),
              ...tensorRows("out", outputs),
            ),
          ),
        ),
        element("p.soft", {}, signature.method_name),
      );
    }),
  );
}

function counted(list, word) {
  return `${list.length} ${word}${list.length === 1 ? "" : "s"}`;
}

function tensorRows(way, tensors, manifest = null) {
  return tensors.map((tensor) =>
    element(
      "tr",
      {},
      element("td.soft", {}, way),
      element("th", { scope: "row" }, tensor.name),
      element("td", {}, tensorType(tensor), columnsNote(tensor.name, manifest)),
    ),
  );
}

/** Which columns of a table an input takes, where their names are not its own. */
function columnsNote(name, manifest) {
  const { column, columns } = manifest?.inputs?.[name] ?? {};
  if (Array.isArray(columns)) {
    const some = columns.length > 6 ? [columns[0], "…", columns.at(-1)] : columns;
    return element("span.soft", {}, `: ${some.join(", ")}`);
  }
  return typeof column === "string" && column !== name
    ? element("span.soft", {}, `: the column “${column}”`)
    : null;
}

/** The report in a frame that may do nothing, or the figures where there is none. */
export function reportSection({ name, version, files }) {
  const address = (file) => `page/${factsPath(name, version)}/${encodeURIComponent(file)}`;
  if (files.includes(REPORT)) {
    const frame = element("iframe", { title: `Report of ${name}`, sandbox: true });
    const open = (event) => {
      if (event.target.open && !frame.hasAttribute("src")) {
        frame.src = address(REPORT);
      }
    };
    const link = { href: address(REPORT), target: "_blank", rel: "noopener" };
    return section(
      "Report",
      element("p", {}, element("a", link, "Open the report in a tab of its own")),
      element("details", { on: { toggle: open } }, element("summary", {}, "Show it here"), frame),
    );
  }
  if (!files.length) {
    return null;
  }
  const figures = files.map((file) =>
    element(
      "figure",
      {},
      element("img", { src: address(file), alt: `Figure ${file}`, loading: "lazy" }),
      element("figcaption.soft", {}, file),
    ),
  );
  return section("Figures", element("div.figures", {}, ...figures));
}

/** What may be wider than the screen scrolls by itself, by keys too. */
function scrolled(label, table) {
  return element("div.scrolled", { tabindex: "0", role: "group", "aria-label": label }, table);
}
