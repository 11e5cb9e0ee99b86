// The dialog: one clip in full, or two side by side.

const sheet = $("#sheet");
let leave = []; // what to undo when the content of the dialog goes
let opened = null; // the clip shown in full
let sides = null; // the two players of a comparison

function fill(title, wide, ...content) {
  for (const undo of leave) undo();
  leave = [];
  $("#sheet-title").replaceChildren(quoted(title));
  sheet.className = wide ? "wide two" : "one";
  $(".content", sheet).replaceChildren(...content);
  for (const button of sheet.querySelectorAll("[data-move]")) button.hidden = wide;
  if (!sheet.open) sheet.showModal();
  sheet.scrollTop = 0;
}

function openClip(clip) {
  const plot = plotOf(clip);
  [opened, sides] = [clip, null];
  fill(clip.prompt || clip.name, false, ...plot.parts, ...inFull(clip));
  leave.push(plot.gone);
}

function move(step) {
  if (!opened) return;
  const next = found[found.indexOf(opened) + step];
  if (next) openClip(next);
}

function choose(clip) {
  const place = chosen.indexOf(clip.id);
  if (place >= 0) chosen.splice(place, 1);
  else chosen.push(clip.id);
  if (chosen.length > 2) chosen.shift();
  for (const [id, item] of cards) {
    item.compare.setAttribute("aria-pressed", chosen.includes(id));
  }
  $("#tray").hidden = !chosen.length;
  $("#tray p").replaceChildren(...chosen.flatMap((id, index) =>
    [index ? " with " : "", quoted(byId.get(id).name, "b")]), chosen.length < 2 ? ": choose another" : "");
  $("#compare-open").disabled = chosen.length < 2;
  announce(chosen.length < 2 ? `${chosen.length} chosen to compare` : "Two chosen: compare them at the end of the page");
}

function compareChosen() {
  const two = chosen.map((id) => byId.get(id));
  if (two.length < 2) return;
  const plots = two.map((clip) => plotOf(clip));
  const switcher = make("button", { type: "button", class: "strong" }, "Switch sides while playing");
  switcher.addEventListener("click", switchSides);
  const columns = two.map((clip, index) => make("div", {}, ...plots[index].parts,
    make("p", { class: "over" }, side(index), quoted(clip.name)),
    make("p", {}, quoted(clip.prompt))));
  [opened, sides] = [null, two.map((clip) => Player.of(clip))];
  fill("Two clips side by side", true, make("div", { class: "pair" }, ...columns),
    make("div", { class: "switch" }, switcher,
      make("span", { class: "soft" }, "The other clip goes on from the same second.")), versus(two));
  leave.push(...plots.map((plot) => plot.gone));
}

function side(index) {
  return make("b", { class: "side" }, "AB"[index]);
}

// from one clip to the other at the same second
function switchSides() {
  if (!sides) return;
  const from = sides.includes(current) ? current : sides[1];
  const to = sides[from === sides[0] ? 1 : 0], at = from.at;
  from.audio?.pause();
  to.seek(at < to.length ? at : 0);
  to.play();
}

function versus(two) {
  const rows = [["Prompt", ...two.map((clip) => clip.prompt)], ["What was said", ...two.map((clip) => clip.said)],
    ...fields.map((field) => [field.label, ...two.map((clip) => written(value(clip, field.key)))])]
    .filter(([, a, b]) => a !== "" || b !== "");
  const differing = rows.filter(([, a, b]) => a !== b), same = rows.filter(([, a, b]) => a === b);
  const row = (kind) => ([label, a, b]) => make("tr", { class: kind },
    make("th", { scope: "row" }, quoted(label)),
    ...(kind === "same" ? [make("td", { colspan: 2 }, quoted(a))]
      : [a, b].map((text) => make("td", {}, quoted(text === "" ? "none" : text)))));
  const heading = (text) => make("tr", {}, make("th", { scope: "col" }, text),
    ...two.map((clip, index) => make("th", { scope: "col" }, side(index), quoted(clip.name))));
  return make("table", { class: "versus" },
    make("caption", { class: "unseen" }, "What differs comes first"),
    make("thead", {}, heading("What differs")), make("tbody", {}, ...differing.map(row("differs"))),
    ...(same.length ? [make("tbody", {}, make("tr", {}, make("th", { colspan: 3, scope: "rowgroup" }, "The same in both")),
      ...same.map(row("same")))] : []));
}
