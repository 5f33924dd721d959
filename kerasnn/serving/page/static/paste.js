// Several rows at once: a table with its header, pasted from a spreadsheet or a CSV file.

import { element, newId } from "./dom.js";

const MAX_ROWS = 10_000;

/** What was pasted is no table. */
export class TableError extends Error {}

/** The rows of a pasted table, each as an array of texts; the first row is the header. */
export function readTable(text) {
  const separator = separatorOf(text.split("\n", 1)[0]);
  const rows = [];
  let row = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^\n]*?))(SEP|\r?\n|$)/y;
  const pattern = new RegExp(cell.source.replace("SEP", escaped(separator)), "y");
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (found === null) {
      throw new TableError(`Row ${rows.length + 1} has a quotation mark that does not end.`);
    }
    row.push((found[1]?.replaceAll('""', '"') ?? found[2]).trim());
    if (found[3] !== separator) {
      rows.push(row);
      row = [];
    }
  }
  if (row.length) {
    rows.push([...row, ""]);
  }
  return rows.filter((cells) => cells.some((one) => one !== ""));
}

function separatorOf(line) {
  const counted = ["\t", ";", ","].map((one) => [line.split(one).length, one]);
  return counted.reduce((best, one) => (one[0] > best[0] ? one : best))[1];
}

function escaped(separator) {
  return separator === "\t" ? "\\t" : separator;
}

/**
 * The rows as the server takes them.
 *
 * @param {string[][]} table with its header.
 * @param {object[]} inputs as `columnsOf` gives them.
 */
export function instancesOf([header, ...rows], inputs) {
  if (!rows.length) {
    throw new TableError("Paste a header with the columns' names, and at least one row.");
  }
  if (rows.length > MAX_ROWS) {
    throw new TableError(`The page asks for at most ${MAX_ROWS} rows at once.`);
  }
  const odd = rows.findIndex((row) => row.length !== header.length);
  if (odd >= 0) {
    throw new TableError(
      `Row ${odd + 1} has ${rows[odd].length} cells, and the header has ${header.length}.`,
    );
  }
  const read = inputs.map(({ name, column, columns }) =>
    columns ? listReader(header, columns) : cellReader(header, name, column),
  );
  const lone = inputs.length === 1 && inputs[0].columns !== undefined;
  return rows.map((row, i) => {
    const values = read.map((one) => one(row, i));
    return lone ? values[0] : Object.fromEntries(inputs.map(({ name }, j) => [name, values[j]]));
  });
}

/** The server reads texts as it reads a file's cells; an empty cell is missing. */
function cellReader(header, name, column) {
  const at = [column.name, name].map((one) => header.indexOf(one)).find((i) => i >= 0);
  if (at === undefined) {
    throw new TableError(`The header has no column “${column.name}”.`);
  }
  return (row) => (row[at] === "" ? null : row[at]);
}

function listReader(header, columns) {
  const at = columns.map((one) => header.indexOf(one));
  if (at.includes(-1)) {
    throw new TableError(`The header has no column “${columns[at.indexOf(-1)]}”.`);
  }
  return (row, i) =>
    at.map((place, j) => {
      const value = Number(row[place]);
      if (row[place] === "" || Number.isNaN(value)) {
        throw new TableError(`Row ${i + 1}: “${row[place]}” is no number for ${columns[j]}.`);
      }
      return value;
    });
}

export class Paste {
  /**
   * @param {object[]} inputs as `columnsOf` gives them.
   * @param {function(object)} asked gets the request.
   */
  constructor(inputs, asked) {
    const area = element("textarea", { id: newId("table"), rows: "5", spellcheck: "false" });
    const names = inputs.flatMap(({ column, columns }) => columns ?? [column.name]);
    area.placeholder = names.slice(0, 4).join("\t") + (names.length > 4 ? "\t…" : "");
    const problem = element("p.problem", { role: "alert" });
    const ask = (event) => {
      event.preventDefault();
      try {
        const instances = instancesOf(readTable(area.value), inputs);
        problem.textContent = "";
        asked({ verb: "predict", text: JSON.stringify({ instances }), isTable: true });
      } catch (error) {
        if (!(error instanceof TableError)) {
          throw error;
        }
        problem.textContent = error.message;
      }
    };
    this.element = element(
      "form",
      { on: { submit: ask } },
      element("label", { for: area.id }, "Rows with their header, from a spreadsheet or a CSV"),
      area,
      problem,
      element("div.buttons", {}, element("button", { type: "submit" }, "Ask for these rows")),
    );
  }
}
