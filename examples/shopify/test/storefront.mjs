// The product page on loopback, for a browser, and the app's page in the admin: prints their addresses and stays until
// it is ended.
import { readFileSync } from "node:fs";
import { Liquid, Tag } from "liquidjs";
import { FakeShopify, SHOP } from "./fake-shopify.mjs";
import { startBackend } from "./running.mjs";

const VARIANT = 41;
const EXTENSION = new URL("../extensions/see-in-your-room/", import.meta.url);

class Schema extends Tag {
  constructor(token, remaining, liquid) {
    super(token, remaining, liquid);
    while (remaining.length && remaining.shift().name !== "endschema");
  }

  *render() {}
}

const html = page(await block());
const fake = await new FakeShopify().listen(process.env.PICTURES);
fake.sell(VARIANT, { height: { type: "dimension", value: '{"value":90.0,"unit":"CENTIMETERS"}' } });
const backend = await startBackend(fake, process.env.RUNPOD_URL);
fake.backend = backend.url;
fake.page = html;
process.once("SIGTERM", () => process.exit(backend.child.kill() ? 0 : 1));
console.log(`${fake.url}/products/armchair\n${backend.url}/?shop=${SHOP}`);

/** As a theme renders it; of Shopify's Liquid only what the block uses. */
async function block() {
  const words = JSON.parse(read("locales/en.default.json"));
  const engine = new Liquid({ strictFilters: true, strictVariables: true });
  engine.registerFilter("t", (key, ...named) => {
    const text = key.split(".").reduce((found, name) => found[name], words);
    return named.reduce((filled, [name, value]) => filled.replace(`{{ ${name} }}`, value), text);
  });
  engine.registerTag("schema", Schema);
  const product = { title: "Armchair", featured_media: {}, selected_or_first_available_variant: { id: VARIANT } };
  const settings = { product, proxy: "/apps/room" };
  return await engine.parseAndRender(read("blocks/see-in-your-room.liquid"), {
    block: { id: "1", settings, shopify_attributes: "" },
    routes: { cart_add_url: "/cart/add" },
  });
}

function page(html) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Armchair</title>
    <meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
    <link rel="stylesheet" href="/assets/see-in-your-room.css"><script src="/assets/see-in-your-room.js" defer></script>
    <h1>Armchair</h1>${html}`;
}

function read(path) {
  return readFileSync(new URL(path, EXTENSION), "utf8");
}
