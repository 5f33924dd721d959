// Elements made from plain values. Text is always text: nothing here reads HTML.

let made = 0;

/** An id that no other element has. */
export function newId(word) {
  made += 1;
  return `${word}-${made}`;
}

/**
 * An element.
 *
 * @param {string} tag such as "p", or "p.soft" with a class.
 * @param {object} attributes by name; false and null leave one out; `on` holds listeners.
 * @param {...(Node|string|number|null)} children in order.
 */
export function element(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) {
    node.className = classes.join(" ");
  }
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) {
        node.addEventListener(event, listener);
      }
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(key, value === true ? "" : value);
    }
  }
  node.append(...children.flat().filter((child) => child !== null));
  return node;
}

/** A part of the view with its heading, which names it for screen readers too. */
export function section(heading, ...children) {
  const id = newId("heading");
  return element(
    "section",
    { "aria-labelledby": id },
    element("h2", { id }, heading),
    ...children,
  );
}
