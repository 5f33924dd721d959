// Where the server is asked, and how, from its OpenAPI description.

import { element } from "./dom.js";

/** @param {string|null} grpc host and port. */
export function addressItems(grpc) {
  const at = (path) => new URL(path, document.baseURI).href;
  const link = (path) => element("a", { href: at(path) }, at(path));
  const code = (text) => element("code", {}, text);
  return Object.entries({
    REST: code(at("v1/models/NAME:predict")),
    gRPC: grpc === null ? "off" : code(grpc),
    OpenAPI: link("openapi.json"),
    Metrics: link("metrics"),
    Health: element("span", {}, link("healthz"), " ", link("readyz")),
  }).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
}

/** Each path with what it takes and gives, folded. */
export function pathItems({ paths }) {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => pathItem(path, method, operation)),
  );
}

function pathItem(path, method, { summary, requestBody, responses }) {
  const body = requestBody?.content["application/json"];
  return element(
    "details",
    {},
    element(
      "summary",
      {},
      element("strong", {}, `${method.toUpperCase()} ${path}`),
      ` ${summary}`,
    ),
    ...(body?.example ? [code("Example", body.example)] : []),
    ...(body ? [code("Request, as JSON Schema", body.schema)] : []),
    code("Answer, as JSON Schema", responses["200"].content["application/json"].schema),
  );
}

function code(title, content) {
  const text = JSON.stringify(content, null, 2);
  return element(
    "div",
    {},
    element("p.soft", {}, title),
    element("pre", { tabindex: "0", "aria-label": title }, text),
  );
}
