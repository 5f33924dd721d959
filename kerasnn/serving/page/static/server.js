// The server that the page came from: its facts about models, and its REST.

import { readJson } from "./json.js";

/** What went wrong, in words for a person. */
export class ServerError extends Error {}

/** The JSON at one of the page's own paths. */
export async function getFacts(path) {
  return JSON.parse(await exchanged(`page/${path}`, {}));
}

/** The path of a model, or of one of its versions, below `page/`. */
export function factsPath(name, version = null) {
  const path = `models/${encodeURIComponent(name)}`;
  return version === null ? path : `${path}/${encodeURIComponent(version)}`;
}

/** The whole address that answers requests for a version. */
export function restUrl(name, version, verb) {
  const path = `v1/models/${encodeURIComponent(name)}/versions/${version}:${verb}`;
  return new URL(path, document.baseURI).href;
}

/** The answer to a request, and how many milliseconds it took. */
export async function postRequest(url, text) {
  const begin = performance.now();
  const headers = { "Content-Type": "application/json" };
  const answer = await exchanged(url, { method: "POST", headers, body: text });
  const milliseconds = performance.now() - begin;
  try {
    return { content: readJson(answer), milliseconds };
  } catch {
    throw new ServerError("The server's answer is not JSON.");
  }
}

async function exchanged(path, options) {
  let response;
  let text;
  try {
    response = await fetch(new URL(path, document.baseURI), { cache: "no-store", ...options });
    text = await response.text();
  } catch {
    throw new ServerError("The server gives no answer. Is it still running?");
  }
  if (!response.ok) {
    throw new ServerError(inWords(response, reasonIn(text)));
  }
  return text;
}

function reasonIn(text) {
  try {
    const { error } = JSON.parse(text);
    return typeof error === "string" ? error : "";
  } catch {
    return text.trim().slice(0, 300);
  }
}

function inWords(response, reason) {
  const { status } = response;
  const told = reason ? `: ${reason}` : ".";
  if (status === 404) {
    return `The server does not have this (404)${told}`;
  }
  if (status === 429 || status === 503) {
    const seconds = response.headers.get("Retry-After");
    return `The server is busy (${status})${told}${seconds ? ` Try again in ${seconds} s.` : ""}`;
  }
  if (status === 504) {
    return `The answer took too long (504)${told}`;
  }
  return status < 500
    ? `The server refuses this request (${status})${told}`
    : `The server failed (${status})${told}`;
}
