const LONGEST_SIDE = 2048;
const JPEG_QUALITY = 0.9;
const LOOK_EVERY_MS = 1500;
const LOOK_MS = 30_000;
const PATIENCE_MS = 10 * 60_000;
const STEPS_ACROSS = 40;

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A failure whose reason is one of `words.reasons`. */
class Told extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

class SeeInYourRoom extends HTMLElement {
  connectedCallback() {
    const parts = [...this.querySelectorAll("[data-part]")];
    this.parts = Object.fromEntries(parts.map((part) => [part.dataset.part, part]));
    this.words = JSON.parse(this.parts.words.textContent);
    this.parts.open.addEventListener("click", () => this.parts.dialog.showModal());
    this.parts.file.addEventListener("change", () => this.try(this.words.opening, () => this.show()));
    this.parts.stage.addEventListener("click", (event) => this.standAt(this.pixelOf(event)));
    this.parts.stage.addEventListener("keydown", (event) => this.move(event));
    this.parts.send.addEventListener("click", () => this.try(this.words.working, () => this.send()));
    this.parts.share.addEventListener("click", () => this.share());
    this.parts.share.hidden = !navigator.share;
  }

  /** The chosen photo, upright and small enough, on the stage. */
  async show() {
    const { file, room, photo, marker, result, after } = this.parts;
    if (!file.files.length) return;
    const picture = await createImageBitmap(file.files[0]).catch(() => {
      throw new Told("photo");
    });
    const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
    photo.width = Math.round(picture.width * scale);
    photo.height = Math.round(picture.height * scale);
    photo.getContext("2d").drawImage(picture, 0, 0, photo.width, photo.height);
    picture.close();
    this.place = undefined;
    marker.hidden = result.hidden = after.hidden = true;
    room.hidden = false;
  }

  /** In pixels of the photo. */
  pixelOf({ clientX, clientY }) {
    const { photo } = this.parts;
    const box = photo.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * photo.width, ((clientY - box.top) / box.height) * photo.height];
  }

  move(event) {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    const { photo } = this.parts;
    const [x, y] = this.place ?? [photo.width / 2, photo.height * 0.75];
    const step = photo.width / STEPS_ACROSS;
    this.standAt([x + arrow[0] * step, y + arrow[1] * step]);
  }

  standAt([x, y]) {
    const { photo, marker } = this.parts;
    this.place = [within(x, photo.width), within(y, photo.height)];
    marker.style.left = `${(100 * (this.place[0] + 0.5)) / photo.width}%`;
    marker.style.top = `${(100 * (this.place[1] + 0.5)) / photo.height}%`;
    marker.hidden = false;
  }

  async send() {
    const { photo, result, after, variant, save } = this.parts;
    result.hidden = after.hidden = true;
    variant.value = new URLSearchParams(location.search).get("variant") ?? this.dataset.variant;
    const form = new FormData();
    form.append("variant", variant.value);
    if (this.place) form.append("place", JSON.stringify(this.place));
    form.append("photo", await new Promise((give) => photo.toBlob(give, "image/jpeg", JPEG_QUALITY)), "room.jpg");
    const { token } = await ask(this.dataset.proxy, { method: "POST", body: form });
    result.src = await this.resultOf(token);
    await result.decode();
    save.href = result.src;
    result.hidden = after.hidden = false;
    result.scrollIntoView({ block: "nearest" });
    return this.words.ready;
  }

  /** A look that is lost says nothing about the job: only the app's own word ends the wait. */
  async resultOf(token) {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      const told = await look(`${this.dataset.proxy}/${token}`).catch(() => undefined);
      if (told?.state === "failed") throw new Told(told.reason);
      if (told?.state === "ready") return told.url;
      await new Promise((go) => setTimeout(go, LOOK_EVERY_MS));
    }
    throw new Told("other");
  }

  /** The picture itself where the browser can share files and the CDN lets it be read, else its address. */
  async share() {
    const { result } = this.parts;
    const file = await fileOf(result.src).catch(() => undefined);
    const files = file && navigator.canShare?.({ files: [file] }) ? { files: [file] } : { url: result.src };
    await navigator.share({ title: result.alt, ...files }).catch(() => {}); // the customer changed their mind
  }

  /** Shows that work goes on, and in words how it ended. */
  async try(doing, work) {
    const { status, progress, send, file } = this.parts;
    progress.hidden = false;
    send.disabled = file.disabled = true;
    status.textContent = doing;
    progress.setAttribute("aria-label", doing);
    try {
      status.textContent = (await work()) ?? "";
    } catch (error) {
      status.textContent = this.words.reasons[error.reason] ?? this.words.reasons.other;
    } finally {
      progress.hidden = true;
      send.disabled = file.disabled = false;
    }
  }
}

async function ask(url, options) {
  const told = await (await fetch(url, options)).json();
  if (told.state === "failed") throw new Told(told.reason);
  return told;
}

async function look(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(LOOK_MS) });
  return answer.ok ? await answer.json() : undefined;
}

async function fileOf(url) {
  const picture = await (await fetch(url)).blob();
  return new File([picture], `room.${picture.type.replace("image/", "")}`, { type: picture.type });
}

function within(value, size) {
  return Math.max(0, Math.min(size - 1, Math.floor(value)));
}

if (!customElements.get("see-in-your-room")) customElements.define("see-in-your-room", SeeInYourRoom);
