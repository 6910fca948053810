// Preloaded with `node --import`: Shopify's hosts are at FAKE_SHOPIFY, all else is as it is.
const real = globalThis.fetch;

globalThis.fetch = (url, options) => {
  const { host, pathname, search } = new URL(url instanceof Request ? url.url : url);
  const isShopify = host.endsWith(".myshopify.com") || host === "shopify-staged-uploads.storage.googleapis.com";
  if (!isShopify) return real(url, options);
  const headers = { ...Object.fromEntries(new Headers(options.headers)), "x-host": host };
  return real(process.env.FAKE_SHOPIFY + pathname + search, { ...options, headers });
};
