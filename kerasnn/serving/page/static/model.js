// The view of one model: asked by form, pad or JSON, answered, and described.

import { Answer } from "./answer.js";
import { element, section } from "./dom.js";
import { Editor } from "./editor.js";
import { metricsSection, reportSection, signaturesSection } from "./facts.js";
import { Form, columnsOf } from "./form.js";
import { ImageQuestion, pictureSizes } from "./image.js";
import { Latest } from "./latest.js";
import { Pad, pixelNames } from "./pad.js";
import { Paste } from "./paste.js";
import { Reasons, givesReasons } from "./reasons.js";
import { postRequest, restUrl } from "./server.js";
import { Snippets } from "./snippets.js";
import { day, number } from "./words.js";

/** A short sentence of what a model is. */
export function summary({ manifest }) {
  if (manifest === null) {
    return "A SavedModel without a manifest of kerasnn.";
  }
  const { task, network, created, data } = manifest;
  const rows = data?.train_rows ?? data?.rows;
  const parts = [
    task,
    Number.isFinite(network?.weights) ? `${number(network.weights, 9)} weights` : null,
    Number.isFinite(rows) ? `trained on ${number(rows, 9)} rows` : null,
    created ? `made ${day(created)}` : null,
  ];
  return parts.filter((part) => typeof part === "string").join(" · ");
}

/** The parts of the view below its heading, for a version whose facts are known. */
export function modelParts(facts) {
  if (!facts.signatures.length) {
    return [element("p.soft", {}, "This SavedModel has no signature, so it cannot be asked.")];
  }
  return [
    ...askingParts(facts),
    metricsSection(facts.manifest),
    reportSection(facts),
    signaturesSection(facts),
  ].filter((part) => part !== null);
}

/** Question, answer and request. The question that was changed last is the one that counts. */
function askingParts(facts) {
  const answer = new Answer(facts);
  const snippets = new Snippets("What you ask is shown here, as a program to copy.");
  const send = ({ url, text }) => postRequest(url, text);
  const latest = new Latest(
    send,
    ({ content, milliseconds }, request) => answer.show(content, milliseconds, request),
    (error) => answer.showProblem(error.message),
  );
  const reasons = givesReasons(facts) ? new Reasons(facts) : null;
  // Beside the answer, which does not wait for them.
  const explanations = new Latest(
    send,
    ({ content }) => reasons.show(content),
    () => reasons.hide(),
  );
  const explain = ({ explained }, url) => {
    if (explained === undefined) {
      explanations.forget();
      reasons.hide();
    } else {
      explanations.ask({ text: explained, url });
    }
  };
  const ask = (request) => {
    const url = restUrl(facts.name, facts.version, request.verb);
    snippets.show(url, request.text);
    latest.ask({ ...request, url });
    if (reasons !== null) {
      explain(request, url);
    }
  };
  const { heading, question, empty, inputs } = questionFor(facts, () => follow());
  const editor = new Editor(facts.signatures, facts.manifest, () => ask(editor.request()));
  // A form and a pad are asked as they change; JSON when it is sent.
  const follow = () => {
    const request = question.request();
    if (request !== null) {
      ask(request);
      return;
    }
    latest.forget();
    explanations.forget();
    reasons?.showStale();
    if (empty) {
      answer.showNothing(empty);
    } else {
      answer.showStale();
    }
  };
  if (question === null) {
    const request = editor.request();
    snippets.show(restUrl(facts.name, facts.version, request.verb), request.text);
    answer.showNothing("Nothing was asked yet.");
  } else {
    follow();
  }
  const isDrawn = question instanceof Pad;
  const paste = inputs === undefined || isDrawn ? null : element(
    "details",
    {},
    element("summary", {}, "Ask for several rows"),
    new Paste(inputs, ask).element,
  );
  return [
    element(
      isDrawn ? "div.try.drawn" : "div.try",
      {},
      section(heading, question === null ? editor.element : question.element, paste),
      element("div.answers", {}, section("Answer", answer.element, reasons?.element ?? null)),
    ),
    section(
      "Request",
      snippets.element,
      question === null ? null : element(
        "details",
        {},
        element("summary", {}, "Write the request yourself"),
        editor.element,
      ),
    ),
  ];
}

/** What the default signature is asked with; `question` is null where only JSON is possible. */
function questionFor({ manifest, signatures: [signature] }, changed) {
  const isDefault = signature.key === "serving_default";
  const inputs = isDefault ? columnsOf(manifest, signature) : null;
  const sizes = isDefault ? pictureSizes(signature) : null;
  if (sizes !== null) {
    const empty = "Choose a picture to see the answer.";
    return { heading: "Ask", question: new ImageQuestion(sizes, changed), empty };
  }
  if (inputs === null) {
    return { heading: "Ask", question: null, empty: "" };
  }
  const { columns } = inputs[0];
  if (inputs.length === 1 && isPad(columns)) {
    const empty = "Draw on the pad: the probabilities move as you draw.";
    return { heading: "Draw a digit", question: new Pad(columns, changed), empty };
  }
  return { heading: "Ask", question: new Form(inputs, changed), empty: "", inputs };
}

function isPad(columns) {
  const names = pixelNames();
  return columns?.length === names.length && names.every((name) => columns.includes(name));
}
