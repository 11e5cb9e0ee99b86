// What is told about a clip: on its card, and in full.

const cards = new Map();
const chosen = []; // ids of the clips to compare, two at most
const MARKS = { kept: ["✓", "kept"], near: ["≈", "a related one"], missed: ["✗", "missed"] };

function value(clip, key) {
  return clip.facts[key] ?? "";
}

function card(clip) {
  const item = stamp("card"), article = $("article", item);
  const compare = make("button", { type: "button", "aria-pressed": false,
    "aria-label": `Compare ${clip.name}` }, "Compare");
  compare.addEventListener("click", () => choose(clip));
  article.prepend(...plotOf(clip, compare).parts);
  article.id = "clip-" + clip.id;
  const open = make("button", { type: "button" }, quoted(clip.prompt || clip.name));
  open.addEventListener("click", () => openClip(clip));
  $("h2", item).append(open);
  $(".over", item).append(quoted(clip.title));
  $(".params", item).append(...parameters(clip));
  $(".marks", item).append(...heard(clip), ...scores(clip));
  article.addEventListener("focusin", () => article.classList.add("here"));
  article.addEventListener("focusout", () => article.classList.remove("here"));
  item.clip = clip;
  item.compare = compare;
  return item;
}

function parameters(clip) {
  const first = value(clip, "parameters.model");
  const rest = ["guidance", "temperature", "steps", "top_k", "seed"]
    .filter((name) => value(clip, "parameters." + name) !== "")
    .map((name) => `${name.replace("_", "-")} ${written(value(clip, "parameters." + name))}`);
  return [first, ...rest].filter(Boolean).map((text) => quoted(text));
}

function mark(nearness) {
  const [sign, meaning] = MARKS[nearness] ?? ["", ""];
  return make("span", { class: nearness },
    make("span", { "aria-hidden": true }, " " + sign), make("span", { class: "unseen" }, `, ${meaning}`));
}

// tempo and key, asked and found; only where both are known on a card
function heard(clip) {
  return [["tempo", "bpm", " bpm"], ["key", "key", ""]].flatMap(([name, what, unit]) => {
    const [asked, found] = [value(clip, "heard.asked_" + what), value(clip, "heard.found_" + what)];
    if (asked === "" || found === "") return [];
    const shown = typeof found === "number" ? Math.round(found) : found;
    return [make("li", {}, `${name} `, quoted(`${written(asked)}${unit}`), " → ",
      make("b", { class: "isolate" }, String(shown)), mark(value(clip, "heard." + name)))];
  });
}

function scores(clip) {
  return fields.filter((field) => field.group === "scores" && value(clip, field.key) !== "")
    .slice(0, 3)
    .map((field) => make("li", {}, quoted(field.label), " ", quoted(written(value(clip, field.key)), "b")));
}

function factList(clip, group, skip = []) {
  const rows = fields.filter((field) => field.group === group && value(clip, field.key) !== ""
    && !skip.includes(field.key));
  return rows.length ? make("dl", { class: "facts" }, ...rows.flatMap((field) => {
    const text = quoted(written(value(clip, field.key)), "dd");
    if (value(clip, field.key) in MARKS && field.group === "heard") text.append(mark(value(clip, field.key)));
    return [make("dt", {}, quoted(field.label)), text];
  })) : null;
}

function section(title, ...body) {
  const filled = body.filter(Boolean);
  return filled.length ? [make("section", {}, make("h3", {}, title), ...filled)] : [];
}

function again(clip) {
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    await copy(clip.command);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  const line = make("div", { class: "again" }, quoted(clip.command, "code"), button);
  return make("section", { class: "full" }, make("h3", {}, "Repeat this run"), line);
}

function inFull(clip) {
  const file = make("a", { href: clip.audio, download: clip.file }, quoted(clip.file));
  return [make("div", { class: "columns" },
    ...section("What was said", clip.said && quoted(clip.said, "blockquote"),
      clip.saidNote && make("p", { class: "soft" }, quoted(clip.saidNote))),
    ...section("Brief", factList(clip, "brief")),
    ...section("Tempo and key", factList(clip, "heard")),
    ...section("Scores", factList(clip, "scores")),
    ...section("Sound", make("p", {}, file), make("p", { class: "soft" }, clip.sound),
      make("p", { class: "soft" }, "from ", quoted(clip.run))),
    ...section("Parameters", factList(clip, "parameters"))),
  again(clip)];
}
