/** What the server says, in a customer's words. */

const STAGES = {
  "": "Waiting for its turn",
  decode: "Reading the pictures",
  "cut-out": "Cutting out the product",
  layout: "Finding its place",
  denoising: "Painting",
  replay: "Painting",
  compose: "Putting it together",
  draw: "Drawing the room",
  encode: "Saving the picture",
};

const CODES = {
  MODEL_NOT_READY: "The model is still loading. Try again in a minute.",
  TOO_MANY_REQUESTS: "Many pictures are being made right now. Try again in a moment.",
  OUT_OF_MEMORY: "The picture is too much for this server. Try a smaller photo.",
  UNAUTHORIZED: "This page needs its key: load it again.",
  TIMEOUT: "This took too long and was ended.",
};

const SENTENCES = [
  [/failed to decode/i, "This file is no picture I can read"],
  [/shows no product/, "I see no product in this picture"],
  [/the limit/, "This picture is too large"],
  [/was not found in the photo/, "I do not find this in the photo: mark it there"],
  [/does not look for things/, "Words are not understood here: mark it in the photo"],
  [/cannot paint what/, "The product does not cover this, and what is behind cannot be painted here"],
  [/^Missing/, "This is needed"],
];

export const stageInWords = (stage) => STAGES[stage] ?? stage;

/** Returns {problems, current}: a sentence for each field at fault, or one for all under "". */
export function inWords(problem) {
  if (!problem.fields?.length) return { problems: { "": CODES[problem.code] ?? problem.message } };
  const problems = Object.fromEntries(problem.fields.map((field) => [field.split(".").pop(), sentenceOf(field, problem.message)]));
  const number = /^products\[(\d+)\]/.exec(problem.fields[0])?.[1];
  return { problems, ...(number && { current: Number(number) }) };
}

function sentenceOf(field, message) {
  const about = message.split("; ").find((part) => part.includes(field)) ?? message;
  const known = SENTENCES.find(([pattern]) => pattern.test(about));
  return known ? known[1] : capital(about.replace(/^.*?Invalid [\w[\].]+: /, ""));
}

/** Returns what is wrong with a control's value, or "". */
export function mistakeIn({ validity, min, max }) {
  if (validity.valid) return "";
  return validity.stepMismatch ? "A whole number" : `A number from ${min} to ${max}`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
