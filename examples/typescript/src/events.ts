/** Server-sent events as the worker's server sends them: a name, and one line of JSON. */
export async function* events(response: Response): AsyncGenerator<{ name: string; data: unknown }> {
  let name = "";
  for await (const line of lines(response)) {
    if (line.startsWith("event: ")) name = line.slice("event: ".length);
    if (line.startsWith("data: ")) yield { name, data: JSON.parse(line.slice("data: ".length)) };
  }
}

async function* lines(response: Response): AsyncGenerator<string> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    rest += value;
    if (!value?.includes("\n")) continue; // a picture's line comes in hundreds of parts
    const whole = rest.split("\n");
    rest = whole.pop() ?? "";
    yield* whole;
  }
}
