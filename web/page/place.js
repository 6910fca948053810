/** A point or a box on a picture, chosen by mouse, finger or keyboard, in the picture's own pixels. */
export class Place {
  point = null;
  box = null;
  #start = null;

  constructor(stage, image, marks, byFinger, tell) {
    Object.assign(this, { stage, image, marks, tell });
    byFinger.addEventListener("change", () => stage.classList.toggle("boxes", byFinger.checked));
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", () => { this.#start = null; });
    stage.addEventListener("keydown", (event) => this.#key(event));
    image.addEventListener("load", () => this.#draw());
  }

  clear() {
    this.#set(null, null);
  }

  #set(point, box) {
    this.point = point;
    this.box = box;
    this.#draw();
    this.tell(this);
  }

  #at({ clientX, clientY }) {
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    const { naturalWidth, naturalHeight } = this.image;
    const within = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    return [within((clientX - left) / width, naturalWidth), within((clientY - top) / height, naturalHeight)];
  }

  #down(event) {
    if (event.button) return;
    this.#start = { x: event.clientX, y: event.clientY, at: this.#at(event) };
    if (this.#drags(event)) this.stage.setPointerCapture(event.pointerId);
  }

  #drags({ pointerType }) {
    return pointerType !== "touch" || this.stage.classList.contains("boxes");
  }

  #move(event) {
    const start = this.#start;
    if (!start || !this.#drags(event)) return;
    if (this.box || Math.hypot(event.clientX - start.x, event.clientY - start.y) > 6) {
      this.#set(null, between(start.at, this.#at(event)));
    }
  }

  #up(event) {
    const start = this.#start;
    this.#start = null;
    if (start && Math.hypot(event.clientX - start.x, event.clientY - start.y) <= 6) this.#set(start.at, null);
  }

  #key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Escape") this.clear();
    const way = ways[event.key];
    const { naturalWidth: width, naturalHeight: height } = this.image;
    if (!way || !width) return;
    event.preventDefault();
    const step = Math.max(1, Math.round(Math.max(width, height) / 100));
    const moved = ([x, y]) => [
      Math.min(width - 1, Math.max(0, x + way[0] * step)),
      Math.min(height - 1, Math.max(0, y + way[1] * step)),
    ];
    const [left, top, right, bottom] = this.box ?? [];
    const anchor = this.point ?? (this.box ? [right, bottom] : [Math.round(width / 2), Math.round(height * 0.8)]);
    if (event.shiftKey) this.#set(null, between(this.box ? [left, top] : anchor, moved(anchor)));
    else this.#set(this.point || this.box ? moved(anchor) : anchor, null);
  }

  #draw() {
    const { naturalWidth, naturalHeight } = this.image;
    const rect = this.marks.querySelector("rect");
    const point = this.marks.querySelector("g");
    rect.toggleAttribute("hidden", !this.box);
    point.toggleAttribute("hidden", !this.point);
    const percent = (value, size) => `${(100 * value) / size}%`;
    if (this.box) {
      const [left, top, right, bottom] = this.box;
      rect.setAttribute("x", percent(left, naturalWidth));
      rect.setAttribute("y", percent(top, naturalHeight));
      rect.setAttribute("width", percent(right - left, naturalWidth));
      rect.setAttribute("height", percent(bottom - top, naturalHeight));
    }
    if (this.point) {
      const [x, y] = this.point;
      point.style.transform = `translate(${percent(x + 0.5, naturalWidth)}, ${percent(y + 0.5, naturalHeight)})`;
    }
  }
}

/* At least a pixel wide and high. */
function between([a, b], [c, d]) {
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c) + 1, Math.max(b, d) + 1];
}
