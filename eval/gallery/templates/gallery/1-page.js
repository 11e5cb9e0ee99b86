"use strict";
// What every part uses. Texts come from anywhere: they only ever become text nodes.

const { clips, fields, edges } = JSON.parse(document.getElementById("data").textContent);
const byId = new Map(clips.map((clip) => [clip.id, clip]));
const $ = (selector, within = document) => within.querySelector(selector);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function stamp(template) {
  return $("#" + template).content.cloneNode(true).firstElementChild;
}

// a text of somebody's, kept from turning the direction of the text around it; line and
// paragraph separators would end that
function quoted(text, tag = "span") {
  return make(tag, { class: "isolate", dir: "auto" }, text.replace(/[\n\r\x1c-\x1e\x85\u2028\u2029]/g, " "));
}

function written(value) {
  if (typeof value !== "number") return value;
  return Number.isInteger(value) ? String(value) : String(+value.toPrecision(4));
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0");
}

function announce(text) {
  $("#said").textContent = text;
}

// storage is missing or forbidden in some browsers for pages from disk
const kept = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* not kept */ } },
};

function showTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  for (const button of document.querySelectorAll("[data-theme]:is(button)"))
    button.setAttribute("aria-pressed", button.dataset.theme === name);
}

for (const button of document.querySelectorAll("[data-theme]:is(button)"))
  button.addEventListener("click", () => {
    showTheme(button.dataset.theme);
    kept.set("audio-chain-theme", button.dataset.theme);
  });
showTheme(["light", "dark"].find((name) => name === kept.get("audio-chain-theme")) ?? "");

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not a secure page
    const area = make("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  announce("Copied");
}
