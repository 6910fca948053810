/** The server-sent events of a response body, as {event, data}; comments are skipped. */
export async function* events(body) {
  const decoder = new TextDecoder();
  let waiting = "";
  for await (const chunk of chunks(body)) {
    let from = Math.max(0, waiting.length - 1);
    waiting += decoder.decode(chunk, { stream: true });
    for (let stop; (stop = waiting.indexOf("\n\n", from)) >= 0; from = 0) {
      const event = parsed(waiting.slice(0, stop));
      waiting = waiting.slice(stop + 2);
      if (event) yield event;
    }
  }
}

/* Not every browser can iterate a stream. */
async function* chunks(body) {
  const reader = body.getReader();
  for (let read; !(read = await reader.read()).done;) yield read.value;
}

function parsed(block) {
  const event = /^event: (.*)$/m.exec(block)?.[1];
  const start = block.indexOf("data: ");
  return event && start >= 0 ? { event, data: JSON.parse(block.slice(start + 6)) } : null;
}
