/** The page's state as a job. Pictures in its body are files. */

const NUMBERS = ["product_height_cm", "product_width_cm", "rotation_degrees", "seed", "harmonize", "n"];
const IN_ROOMS = ["rotation_degrees"];

/** Returns what controls say as fields of a job; empty ones and those that are hidden say nothing. */
export function fieldsOf(controls) {
  const fields = {};
  for (const control of controls) {
    const value = control.value.trim();
    if (!control.name || control.type === "file" || control.closest("[hidden]")) continue;
    if (control.type === "checkbox") {
      if (!control.checked) fields[control.name] = false;
    } else if (value) fields[control.name] = NUMBERS.includes(control.name) ? Number(value) : value;
  }
  return fields;
}

export function jobOf({ products, room, replaced }, shared) {
  const items = products.filter(({ picture }) => picture).map((product) => itemOf(product, room));
  const [only] = items;
  const body = { ...(items.length > 1 ? { products: items } : only), ...shared };
  if (!room) return { action: "generate", body };
  if (replaced && items.length === 1) body.replace = replaced;
  return { action: "edit", body: { room_image: room.file, ...body } };
}

function itemOf({ picture, fields, point, box }, room) {
  const told = Object.entries(fields).filter(([name]) => room || !IN_ROOMS.includes(name));
  const place = !room ? {} : box ? { placement_box: box } : point ? { placement_coordinates: point } : {};
  return { product_image: picture.file, ...Object.fromEntries(told), ...place };
}
