/** Calls of the server that serves the page. */

import { events } from "./events.js";
import { withPictures } from "./pictures.js";

const EVENTS = "text/event-stream";

/** Returns the answer to a body with files in it. Throws errors with `code` and `fields`. */
export async function ask(route, body) {
  return (await post(route, body, { Accept: "application/json" })).json();
}

/** Returns the answer of a job, and hands the events before it to `report`, by their names. */
export async function run(route, body, signal, report) {
  const answer = await post(route, body, { Accept: EVENTS }, signal);
  for await (const { event, data } of events(answer.body)) {
    if (event === "error") throw refusal(data);
    if (event === "answer") return data;
    report[event]?.(data);
  }
  throw new Error("The answer broke off: is the server still there?");
}

async function post(route, body, headers, signal) {
  const text = JSON.stringify(await withPictures(body));
  const answer = await fetch(route, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: text,
    signal,
  });
  if (answer.ok) return answer;
  throw refusal(await answer.json().catch(() => null), answer.status);
}

function refusal(told, status) {
  const sentence = (told?.error?.message ?? told?.error ?? `The server answered ${status}`)
    .replace(/^(Edit|Generate) processing failed: /, "").replace(/ \[[A-Z_]+\]$/, "");
  return Object.assign(new Error(sentence), { code: told?.error_code ?? told?.error?.code, fields: told?.fields ?? [] });
}
