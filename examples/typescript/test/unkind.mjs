// A network that is as unkind as they are, in front of what is at `target`.
import { once } from "node:events";
import { createServer } from "node:http";

/**
 * `meet(verb, ...fates)`: what the next requests of a verb (run, runsync, status, edit, ...) meet. A number is the
 * status that turns them away; `cut` and `silent` reach the target, whose answer is cut off or never comes; an object
 * is answered in the target's place. `seen` lists all requests.
 */
export async function unkind(target, { port = 0, key } = {}) {
  const fates = {};
  const seen = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const verb = request.url
      .split("?")[0]
      .split("/")
      .find((part) => part && part !== "v1");
    seen.push({ verb, body: body.length ? JSON.parse(body) : null });
    const fate = request.headers.authorization === `Bearer ${key}` ? fates[verb]?.shift() : 401;
    if (typeof fate === "number") return response.writeHead(fate, { "Retry-After": "0.05" }).end("{}");
    if (typeof fate === "object") return response.writeHead(200).end(JSON.stringify(fate));
    const { method, headers } = request;
    const asked = { method, headers: { accept: headers.accept, authorization: headers.authorization } };
    const answer = await fetch(target + request.url, body.length ? { ...asked, body } : asked);
    const told = Buffer.from(await answer.arrayBuffer());
    if (fate === "silent") return;
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (fate !== "cut") return response.end(told);
    response.write(told.subarray(0, told.length / 2), () => response.destroy());
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    sent: (verb) => seen.filter((each) => each.verb === verb).length,
    meet: (verb, ...next) => (fates[verb] = next),
    close: () => (server.close(), server.closeAllConnections()),
  };
}

/** A port at which nobody listens. */
export async function freePort() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  server.close();
  return port;
}
