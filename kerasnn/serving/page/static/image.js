// A question made from a picture, for a model that takes [rows, height, width, channels].

import { element, newId } from "./dom.js";

const MAX_SIDE = 1024; // where the model takes any size
const SCALES = {
  "0 to 255": (value) => value,
  "0 to 1": (value) => round(value / 255),
  "-1 to 1": (value) => round(value / 127.5 - 1),
};

/** The sizes of pictures that an input takes, null for any; null where it takes none. */
export function pictureSizes({ inputs }) {
  const [{ shape, dtype } = {}] = inputs;
  if (inputs.length !== 1 || !shape || !/^(float|uint8|int32|double)/.test(dtype)) {
    return null;
  }
  const [rows, height, width, channels] = shape;
  const isPicture = shape.length === 4 && rows === null && [1, 3, 4].includes(channels);
  return isPicture ? { height, width, channels, isWhole: !/^(float|double)/.test(dtype) } : null;
}

export class ImageQuestion {
  /**
   * @param {{height: ?number, width: ?number, channels: number, isWhole: boolean}} sizes
   * @param {function()} changed is called after each change.
   */
  constructor(sizes, changed) {
    this.sizes = sizes;
    this.changed = changed;
    this.picture = null;
    this.canvas = element("canvas.picture", { hidden: true, role: "img" });
    this.problem = element("p.problem", { role: "alert" });
    this.file = element("input", { type: "file", accept: "image/*", id: newId("picture") });
    this.file.addEventListener("change", () => this.open());
    const scales = sizes.isWhole ? ["0 to 255"] : Object.keys(SCALES);
    this.scale = element(
      "select",
      { id: newId("scale"), on: { change: changed } },
      ...scales.map((name) => element("option", {}, name)),
    );
    const { height, width, channels } = sizes;
    const size = `${height ?? "any"} × ${width ?? "any"} pixels`;
    const colours = { 1: "grey", 3: "red, green, blue", 4: "red, green, blue, alpha" }[channels];
    this.element = element(
      "div",
      {},
      field("A picture", this.file, `It is drawn to ${size}, ${colours}.`),
      this.problem,
      this.canvas,
      field("Its values", this.scale, "As in the training; the model does not tell."),
    );
  }

  /** What to send; null without a picture. */
  request() {
    if (this.picture === null) {
      return null;
    }
    const { data, width, height } = this.picture;
    const value = SCALES[this.scale.value];
    const pixel = (at) => channelsOf(data, at, this.sizes.channels).map(value);
    const rows = Array.from({ length: height }, (_, y) =>
      Array.from({ length: width }, (__, x) => pixel(4 * (y * width + x))),
    );
    return { verb: "predict", text: JSON.stringify({ instances: [rows] }) };
  }

  async open() {
    const [file] = this.file.files;
    this.picture = null;
    this.problem.textContent = "";
    if (file !== undefined) {
      try {
        this.draw(await createImageBitmap(file));
      } catch {
        this.problem.textContent = `${file.name} is no picture that the browser can read.`;
      }
    }
    this.canvas.hidden = this.picture === null;
    this.changed();
  }

  draw(bitmap) {
    const shrunk = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
    const width = this.sizes.width ?? Math.max(1, Math.round(bitmap.width * shrunk));
    const height = this.sizes.height ?? Math.max(1, Math.round(bitmap.height * shrunk));
    Object.assign(this.canvas, { width, height });
    this.canvas.setAttribute("aria-label", `The picture, ${width} by ${height} pixels`);
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0, width, height);
    this.picture = context.getImageData(0, 0, width, height);
  }
}

/** The values of a pixel; grey is its luma (ITU-R BT.601). */
function channelsOf(data, at, channels) {
  const [red, green, blue, alpha] = data.subarray(at, at + 4);
  if (channels === 1) {
    return [Math.round(0.299 * red + 0.587 * green + 0.114 * blue)];
  }
  return [red, green, blue, alpha].slice(0, channels);
}

function round(value) {
  return Number(value.toFixed(5));
}

function field(name, control, hint) {
  return element(
    "div.field",
    {},
    element("label", { for: control.id }, name),
    control,
    element("span.hint", {}, hint),
  );
}
