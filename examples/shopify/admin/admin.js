// The app's page in the merchant's admin. App Bridge has made `shopify`, Polaris the elements.
const part = (id) => document.getElementById(id);
const fields = () => [...part("settings").querySelectorAll("s-number-field")];

/** Every request carries a session token; the server checks it. */
async function ask(options) {
  const authorization = `Bearer ${await shopify.idToken()}`;
  const answer = await fetch("/admin/shop", { ...options, headers: { authorization, "content-type": "application/json" } });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.message);
  return told;
}

function show({ used, limits, most, hours, jobs }) {
  part("usage").textContent = `${used} of ${limits.shop} rooms`;
  for (const field of fields()) {
    field.value = String(limits[field.name]);
    field.max = most[field.name];
    field.details = `At most ${most[field.name]}`;
  }
  part("hours").replaceChildren(...hours.map(({ since, rooms, failed }) => row(at(since), rooms, failed)));
  part("jobs").replaceChildren(
    ...jobs.map(({ product, state, since, url }) => row(product, badge(state), at(since), url ? link(url) : "")),
  );
}

function row(...cells) {
  const made = document.createElement("s-table-row");
  for (const content of cells) {
    const cell = document.createElement("s-table-cell");
    cell.append(content);
    made.append(cell);
  }
  return made;
}

const TONES = { ready: "success", working: "info", failed: "critical" };

function badge(state) {
  const made = document.createElement("s-badge");
  made.setAttribute("tone", TONES[state]);
  made.textContent = state;
  return made;
}

function link(url) {
  const made = document.createElement("s-link");
  made.setAttribute("href", url);
  made.setAttribute("target", "_blank");
  made.textContent = "Open";
  return made;
}

function at(time) {
  return new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

async function save(event) {
  event.preventDefault();
  const limits = Object.fromEntries(fields().map(({ name, value }) => [name, Number(value)]));
  show(await ask({ method: "PUT", body: JSON.stringify(limits) }));
  part("saved").textContent = "Saved.";
}

async function tryTo(work) {
  part("problem").hidden = true;
  part("saved").textContent = "";
  try {
    await work();
  } catch (error) {
    part("problem").textContent = error.message;
    part("problem").hidden = false;
  }
}

part("settings").addEventListener("submit", (event) => void tryTo(() => save(event)));
await tryTo(async () => show(await ask()));
