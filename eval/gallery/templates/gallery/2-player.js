// Sound. One Audio for each clip that was ever played; any number of plots show where it is.

const players = new Map();
let current = null; // the player heard last

class Player {
  constructor(clip) {
    this.clip = clip;
    this.views = new Set(); // {plot, button, time} on the page
    this.audio = null;
  }

  static of(clip) {
    if (!players.has(clip.id)) players.set(clip.id, new Player(clip));
    return players.get(clip.id);
  }

  get playing() { return this.audio !== null && !this.audio.paused; }
  get at() { return this.audio?.currentTime ?? 0; }
  get length() {
    return Number.isFinite(this.audio?.duration) ? this.audio.duration : this.clip.seconds;
  }

  load() {
    if (this.audio) return;
    this.audio = new Audio();
    this.audio.preload = "auto";
    for (const name of ["play", "pause", "seeked", "ended", "loadedmetadata"])
      this.audio.addEventListener(name, () => this.draw());
    this.audio.addEventListener("error", () => this.fail());
    this.audio.src = this.clip.audio;
  }

  play() {
    this.load();
    if (current && current !== this) current.audio.pause();
    current = this;
    this.audio.play().catch((error) => {
      if (error.name !== "AbortError") this.fail();
    });
  }

  toggle() {
    if (this.playing) this.audio.pause();
    else this.play();
  }

  seek(seconds) {
    this.load();
    this.audio.currentTime = Math.min(Math.max(seconds, 0), this.length);
    this.draw();
  }

  fail() {
    for (const { time } of this.views) {
      time.textContent = "This browser can't play " + this.clip.file;
      time.classList.add("failed");
    }
  }

  draw() {
    for (const view of this.views) this.drawIn(view);
    if (this.playing && !this.frame)
      this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  drawIn({ plot, button, time }) {
    const part = this.length ? this.at / this.length : 0;
    plot.style.setProperty("--at", part.toFixed(5));
    plot.classList.toggle("started", this.at > 0);
    const seek = $(".seek", plot);
    seek.setAttribute("aria-valuenow", this.at.toFixed(1));
    seek.setAttribute("aria-valuetext", `${this.at.toFixed(1)} of ${this.length.toFixed(1)} seconds`);
    if (!time.classList.contains("failed"))
      time.textContent = `${clock(this.at)} / ${clock(this.length)}`;
    if (button.getAttribute("aria-pressed") !== String(this.playing)) {
      button.setAttribute("aria-pressed", this.playing);
      button.setAttribute("aria-label", `${this.playing ? "Pause" : "Play"} ${this.clip.name}`);
    }
  }
}

// A plot of the clip with its controls; `more` buttons go beside the play button.
function plotOf(clip, ...more) {
  const player = Player.of(clip), plot = stamp("plot"), controls = stamp("controls");
  const image = $("img", plot), seek = $(".seek", plot), button = $(".play", controls);
  for (const tick of plot.querySelectorAll("[data-at]")) tick.style.setProperty("--at", tick.dataset.at);
  image.alt = `Mel spectrogram of ${clip.name}, ${clip.seconds.toFixed(1)} seconds`;
  image.src = clip.picture;
  seek.setAttribute("aria-label", `Position in ${clip.name}`);
  seek.setAttribute("aria-valuemax", clip.seconds.toFixed(1));
  button.setAttribute("aria-label", `Play ${clip.name}`);
  controls.append(...more);
  drawSeconds($(".seconds", plot), clip.seconds);
  outlines.observe(plot);
  plot.outline = clip.outline;

  const view = { plot, button, time: $(".time", controls) };
  player.views.add(view);
  player.drawIn(view);
  button.addEventListener("click", () => player.toggle());
  const timeAt = (event) => {
    const box = seek.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * player.length;
  };
  seek.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    seek.setPointerCapture(event.pointerId);
    player.seek(timeAt(event));
  });
  seek.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) player.seek(timeAt(event));
    probe(plot, image, timeAt(event), player.length, event.clientY);
  });
  seek.addEventListener("click", () => { if (!player.playing) player.play(); });
  seek.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 1;
    const to = { ArrowLeft: player.at - step, ArrowDown: player.at - step, Home: 0,
      ArrowRight: player.at + step, ArrowUp: player.at + step, End: player.length }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    player.seek(to);
  });
  return { parts: [plot, controls], gone: () => player.views.delete(view) };
}

// where the pointer is, in seconds and hertz
function probe(plot, image, seconds, length, y) {
  const box = image.getBoundingClientRect(), height = 1 - (y - box.top) / box.height;
  const reading = $(".reading", plot), part = seconds / length;
  plot.style.setProperty("--probe", part.toFixed(4));
  reading.classList.toggle("flip", part < 0.35);
  reading.textContent = `${seconds.toFixed(2)} s` + (height < 0 ? "" : ` · ${hertz(height)}`);
}

function hertz(height) {
  const place = Math.min(Math.max(height, 0), 1) * (edges.length - 1), below = Math.floor(place);
  const above = Math.min(below + 1, edges.length - 1);
  const value = edges[below] + (place - below) * (edges[above] - edges[below]);
  return value < 1000 ? `${Math.round(value)} Hz` : `${(value / 1000).toFixed(1)} kHz`;
}

function drawSeconds(axis, seconds) {
  const least = Math.max(seconds, 0.001) / 6, power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= least * 0.999);
  for (let tick = 0; tick * step < seconds - step * 0.35; tick++) {
    const label = make("span", {}, String(+(tick * step).toPrecision(6)));
    label.style.setProperty("--at", (tick * step) / seconds);
    axis.append(label);
  }
  const unit = make("span", { class: "unit" }, `${+seconds.toFixed(1)} s`);
  unit.style.setProperty("--at", 1);
  axis.append(unit);
}

// outlines of the wave are drawn when they come near the window
const outlines = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    outlines.unobserve(target);
    const bytes = Int8Array.from(atob(target.outline), (char) => char.charCodeAt(0));
    const pairs = Array.from({ length: bytes.length / 2 }, (_, index) => index);
    const high = pairs.map((index) => `${index + 0.5} ${-bytes[2 * index + 1]}`);
    const low = pairs.reverse().map((index) => `${index + 0.5} ${-bytes[2 * index]}`);
    for (const path of target.querySelectorAll(".wave path"))
      path.setAttribute("d", `M${high.join("L")}L${low.join("L")}Z`);
  }
}, { rootMargin: "400px" });
