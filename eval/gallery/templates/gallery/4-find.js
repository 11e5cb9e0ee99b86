// Search, filters and order, kept in the address after "#".

const list = $("#clips"), query = $("#query"), sort = $("#sort"), direction = $("#direction");
const filters = new Map(); // field key -> Set of values, {low, high}, or words in lower case
let descending = false;

const orders = [{ key: "", label: "as given", kind: "number" },
  { key: "name", label: "Name", kind: "text" }, { key: "prompt", label: "Prompt", kind: "text" },
  ...fields.filter((field) => distinct(field).size > 1)];

function distinct(field) {
  return new Set(clips.map((clip) => value(clip, field.key)));
}

function key(clip, order) {
  if (!order.key) return clip.order;
  return order.key in clip ? clip[order.key] : value(clip, order.key);
}

const compareTexts = new Intl.Collator(undefined, { numeric: true }).compare;

function comesBefore(order) {
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const [one, other] = [key(a, order), key(b, order)];
    if (one === other) return a.order - b.order;
    if (one === "" || other === "") return one === "" ? 1 : -1; // what has none comes last
    const both = typeof one === "number" && typeof other === "number";
    return sign * (both ? one - other : compareTexts(one, other)) || a.order - b.order;
  };
}

function fits(clip, words) {
  for (const [name, wanted] of filters) {
    const found = value(clip, name);
    if (wanted instanceof Set) {
      if (!wanted.has(found)) return false;
    } else if (typeof wanted === "string") {
      if (!String(found).toLowerCase().includes(wanted)) return false;
    } else if (typeof found !== "number" || found < wanted.low || found > wanted.high) return false;
  }
  return words.every((word) => clip.haystack.includes(word));
}

let ordered = clips; // all of them, as sorted
let found = clips; // of these, what fits

// Nodes move when the order changes; search and filters only hide and show.
function arrange() {
  const order = orders.find((one) => one.key === sort.value) ?? orders[0];
  ordered = [...clips].sort(comesBefore(order));
  list.append(...ordered.map((clip) => cards.get(clip.id)));
  show();
}

function show() {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  found = ordered.filter((clip) => fits(clip, words));
  const shown = new Set(found);
  for (const clip of clips) {
    const item = cards.get(clip.id);
    if (item.hidden === shown.has(clip)) item.hidden = !item.hidden;
  }
  $("#count").textContent = found.length === clips.length
    ? `${clips.length} ${clips.length === 1 ? "clip" : "clips"}` : `${found.length} of ${clips.length} clips`;
  $("#none").hidden = found.length > 0;
  $("#filter b").textContent = filters.size || "";
  remember();
}

function remember() {
  const parameters = new URLSearchParams();
  if (query.value) parameters.set("q", query.value);
  if (sort.value) parameters.set("sort", sort.value);
  if (descending) parameters.set("down", "1");
  for (const [name, wanted] of filters)
    parameters.append("f", JSON.stringify([name, wanted instanceof Set ? [...wanted] : wanted]));
  try {
    history.replaceState(null, "", "#" + parameters);
  } catch { /* too often, or not allowed: the page works without */ }
}

function recall() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  query.value = parameters.get("q") ?? "";
  sort.value = orders.some((one) => one.key === parameters.get("sort")) ? parameters.get("sort") : "";
  descending = parameters.has("down");
  for (const text of parameters.getAll("f")) {
    try {
      const [name, wanted] = JSON.parse(text);
      if (!fields.some((field) => field.key === name)) continue;
      if (Array.isArray(wanted)) filters.set(name, new Set(wanted));
      else if (typeof wanted === "string") filters.set(name, wanted);
      else filters.set(name, { low: wanted.low ?? -Infinity, high: wanted.high ?? Infinity });
    } catch { /* an address of somebody else's making */ }
  }
}

function setFilter(name, wanted) {
  if (wanted) filters.set(name, wanted);
  else filters.delete(name);
  show();
}

function choices(field, values) {
  const wanted = filters.get(field.key);
  const buttons = [...values].sort((a, b) => {
    if (a === "" || b === "") return a === "" ? 1 : -1;
    return typeof a === "number" && typeof b === "number" ? a - b : compareTexts(String(a), String(b));
  }).map((one) => {
    const count = clips.filter((clip) => value(clip, field.key) === one).length;
    const button = make("button", { type: "button", "aria-pressed": wanted instanceof Set && wanted.has(one) },
      quoted(one === "" ? "none" : written(one)), make("small", {}, String(count)));
    button.addEventListener("click", () => {
      const set = filters.get(field.key) instanceof Set ? filters.get(field.key) : new Set();
      if (!set.delete(one)) set.add(one);
      button.setAttribute("aria-pressed", set.has(one));
      setFilter(field.key, set.size ? set : null);
    });
    return button;
  });
  return make("div", { class: "choices" }, ...buttons);
}

function range(field, values) {
  const numbers = [...values].filter((one) => typeof one === "number");
  const wanted = filters.get(field.key) ?? {};
  const [low, high] = [[Math.min(...numbers), "from", wanted.low], [Math.max(...numbers), "to", wanted.high]]
    .map(([end, word, given]) => {
      const input = make("input", { type: "number", step: "any", placeholder: written(end),
        "aria-label": `${field.label} ${word}` });
      if (Number.isFinite(given)) input.value = given;
      return input;
    });
  const changed = () => {
    const asked = { low: low.value === "" ? -Infinity : +low.value, high: high.value === "" ? Infinity : +high.value };
    setFilter(field.key, low.value === "" && high.value === "" ? null : asked);
  };
  for (const input of [low, high]) input.addEventListener("input", changed);
  return make("div", { class: "range" }, low, "to", high);
}

function words(field) {
  const input = make("input", { type: "search", class: "words", placeholder: "contains",
    "aria-label": `${field.label} contains` });
  if (typeof filters.get(field.key) === "string") input.value = filters.get(field.key);
  input.addEventListener("input", () => setFilter(field.key, input.value.trim().toLowerCase() || null));
  return input;
}

function drawFilters() {
  const bodies = { choices, range, words };
  const rows = fields.flatMap((field) => {
    const values = distinct(field);
    if (values.size < 2) return []; // alike in all
    return [make("fieldset", {}, make("legend", {}, quoted(field.label)), bodies[field.filter](field, values))];
  });
  $("#filters").replaceChildren(...(rows.length ? rows : [make("p", {}, "The clips are alike in every field.")]));
}

function clearAll() {
  filters.clear();
  query.value = "";
  drawFilters();
  show();
  query.focus();
}
