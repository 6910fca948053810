/** Everything the page knows, in one object. `update` changes it, and draws what depends on it. */

export const MOST_PRODUCTS = 6;

/** A product: its picture {file, url, width, height}, what its fields say, its mark in the photo, and its layout there. */
export const newProduct = () => ({ picture: null, fields: {}, point: null, box: null, layout: null });

export const state = {
  products: [newProduct()],
  current: 0,
  room: null, // a picture
  tool: "point", // or "box" or "replace": what is marked in the photo
  replaced: null, // the box of what is replaced
  request: null, // {action, body} of the last job; pictures in the body are files
  job: null, // the one that runs: {abort, stage, percent, partial}
  entry: null, // of the history: the result that is shown
  variant: 0,
  history: [],
  problems: {}, // sentences by field; "" is the whole request
  detail: "", // the server's own sentence
  note: "",
};

const drawings = [];

export function drawnBy(...draw) {
  drawings.push(...draw);
  update({});
}

export function update(changes) {
  Object.assign(state, changes);
  for (const draw of drawings) draw(state);
}

export const currentProduct = () => state.products[state.current];

/** Changes one product, the current one by default. */
export function updateProduct(changes, number = state.current) {
  update({ products: state.products.map((each, index) => (index === number ? { ...each, ...changes } : each)) });
}
