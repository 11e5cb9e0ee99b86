// Puts it all together, and the keyboard.

clips.forEach((clip, order) => {
  clip.order = order;
  clip.haystack = [clip.name, clip.prompt, clip.said, clip.file, ...Object.values(clip.facts)].join("\n").toLowerCase();
  cards.set(clip.id, card(clip));
});
sort.append(...orders.map((order) => make("option", { value: order.key }, order.label)));
recall();
direction.textContent = descending ? "↓" : "↑";
drawFilters();
arrange();

let typing = 0;
query.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(show, 120); });
sort.addEventListener("change", arrange);
direction.addEventListener("click", () => {
  descending = !descending;
  direction.textContent = descending ? "↓" : "↑";
  direction.setAttribute("aria-label", descending ? "Descending" : "Ascending");
  arrange();
});
$("#filter").addEventListener("click", () => {
  $("#filters").hidden = !$("#filters").hidden;
  $("#filter").setAttribute("aria-expanded", !$("#filters").hidden);
});
$("#clear").addEventListener("click", clearAll);
$("#compare-open").addEventListener("click", compareChosen);
$("#compare-clear").addEventListener("click", () => {
  for (const id of [...chosen]) choose(byId.get(id));
});

$("[data-close]", sheet).addEventListener("click", () => sheet.close());
for (const button of sheet.querySelectorAll("[data-move]"))
  button.addEventListener("click", () => move(+button.dataset.move));
sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
sheet.addEventListener("close", () => {
  for (const undo of leave) undo();
  [leave, sides] = [[], null];
  if (opened) $("h2 button", cards.get(opened.id)).focus();
  opened = null;
});

function here() {
  return document.activeElement?.closest?.("#clips > li")?.clip ?? null;
}

function step(by) {
  const place = found.indexOf(here());
  const next = found[place < 0 ? (by > 0 ? 0 : found.length - 1) : place + by];
  if (!next) return;
  const article = $("article", cards.get(next.id));
  article.scrollIntoView({ block: "nearest" });
  article.focus();
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
  const pressable = target.matches("button, a");
  if (sheet.open) {
    const done = {
      x: switchSides,
      ArrowLeft: () => move(-1),
      ArrowRight: () => move(1),
      " ": () => { if (!pressable) (opened ? Player.of(opened) : sides?.includes(current) ? current : sides?.[0])?.toggle(); },
    }[event.key];
    if (!done || (event.key === " " && pressable)) return;
    event.preventDefault();
    done();
    return;
  }
  const clip = here();
  const actions = {
    "/": () => query.focus(),
    j: () => step(1),
    k: () => step(-1),
    " ": !pressable && (clip || current) ? () => (clip ? Player.of(clip) : current).toggle() : null,
    Enter: clip && !pressable ? () => openClip(clip) : null,
    c: clip ? () => choose(clip) : null,
    ArrowLeft: clip ? () => Player.of(clip).seek(Player.of(clip).at - 1) : null,
    ArrowRight: clip ? () => Player.of(clip).seek(Player.of(clip).at + 1) : null,
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
});
