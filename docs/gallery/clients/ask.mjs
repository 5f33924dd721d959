// Ask a server which digit this is: node ask.mjs [port]. In a browser, on a page of another
// address, it needs `kerasnn serve --allow-origin`.
import { readFile } from "node:fs/promises";

const port = process.argv[2] ?? "8501";
const response = await fetch(`http://127.0.0.1:${port}/v1/models/digits:predict`, {
  method: "POST",
  body: await readFile(new URL("digit.json", import.meta.url)),
});
const answer = await response.json();
if (!response.ok) throw new Error(answer.error);
const [digit] = answer.predictions;
const probability = Math.max(...digit.probabilities).toFixed(3);
console.log(`class ${digit.class}, probability ${probability}`);
