// The list of adapters: which exist, which are on, and their scales.

import * as api from "./api.js";
import { button, element, showProblem, saveAs } from "./elements.js";

const list = document.getElementById("adapters");
const none = document.getElementById("none");
const active = document.getElementById("active");
const tools = document.getElementById("list-tools");
const filter = document.getElementById("filter");

const EXPORTS = { peft: "PEFT", gguf: "GGUF" };

const known = new Map(); // id -> { adapter, name, on, scale, item }

export function activeAdapters() {
  return [...known.values()].filter((entry) => entry.on).map((entry) => ({ id: entry.adapter.id, scale: entry.scale }));
}

export function addAdapter(adapter, { on = false } = {}) {
  const before = known.get(adapter.id);
  const entry = { adapter, name: nameOf(adapter), on: on || (before?.on ?? false), scale: before?.scale ?? 1 };
  known.set(adapter.id, entry);
  // Only this row is replaced, so that the others keep the keyboard focus.
  entry.item = row(entry);
  if (before) before.item.replaceWith(entry.item);
  else list.prepend(entry.item);
  applyFilter();
  showActive();
  if (adapter.checking && !before?.adapter.checking) watch(adapter.id);
}

// Shows an adapter's fidelity once it is measured. Only its line changes, so that the row keeps the keyboard focus.
async function watch(id) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const entry = known.get(id);
    if (!entry) return;
    try {
      const { fidelity, checking } = await api.showAdapter(id);
      Object.assign(entry.adapter, { fidelity, checking });
    } catch {
      return; // the adapter or the server is gone; leave the line as it is
    }
    const line = document.getElementById(`facts-${id}`);
    if (line) line.textContent = facts(entry.adapter);
    if (!entry.adapter.checking) return;
  }
}

export async function loadAdapters() {
  for (const adapter of await api.listAdapters()) addAdapter(adapter);
}

// Turns all adapters that are listed on or off; those that the filter hides stay as they are.
function switchAll(on) {
  for (const entry of known.values()) {
    if (!entry.item.hidden && entry.on !== on) entry.item.querySelector("input[type=checkbox]").click();
  }
}

function applyFilter() {
  const wanted = filter.value.trim().toLowerCase();
  for (const entry of known.values()) entry.item.hidden = !entry.name.toLowerCase().includes(wanted);
}

document.getElementById("all-on").addEventListener("click", () => switchAll(true));
document.getElementById("all-off").addEventListener("click", () => switchAll(false));
filter.addEventListener("input", applyFilter);

function nameOf(adapter) {
  return adapter.label ?? (adapter.documents.map((document) => document.name).join(", ") || `task ${adapter.id.slice(0, 8)}`);
}

// Today only the time is shown.
function dateOf(adapter) {
  const made = new Date(1000 * adapter.created);
  const isToday = made.toDateString() === new Date().toDateString();
  return isToday
    ? `today, ${made.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`
    : made.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" });
}

function facts(adapter) {
  const tokens = adapter.documents.reduce((sum, document) => sum + document.num_tokens, 0);
  const parts = [dateOf(adapter)];
  if (tokens) parts.push(`${tokens.toLocaleString()} tokens`);
  parts.push(`${(adapter.num_bytes / 1e6).toFixed(1)} MB`);
  if (adapter.bias_scale != null) parts.push(`bias adapter × ${adapter.bias_scale.toFixed(1)}`);
  if (adapter.reused) parts.push("already existed");
  else if (adapter.seconds != null) parts.push(`created in ${adapter.seconds.toFixed(2)} s`);
  if (adapter.follows != null) parts.push(`follows its description: ${Math.round(100 * adapter.follows)}% likely`);
  if (adapter.fidelity != null) parts.push(`fidelity: reproduces ${Math.round(100 * adapter.fidelity)}% of the facts checked`);
  else if (adapter.checking) parts.push("checking fidelity …");
  return parts.join(" · ");
}

function row(entry) {
  const { adapter, name } = entry;
  const toggle = element("input", { type: "checkbox", checked: entry.on, id: `on-${adapter.id}` });
  const scale = scaleRow(entry);
  scale.hidden = !entry.on; // a slider for what is off would only fill the list
  const item = element(
    "li",
    { className: entry.on ? "adapter on" : "adapter" },
    element("div", { className: "name" }, toggle, element("label", { htmlFor: toggle.id, textContent: name })),
    element("p", { className: "facts", id: `facts-${adapter.id}`, textContent: facts(adapter) }),
    scale,
    actions(entry),
  );
  toggle.addEventListener("change", () => {
    entry.on = toggle.checked;
    scale.hidden = !entry.on;
    item.classList.toggle("on", entry.on);
    showActive();
  });
  return item;
}

function scaleRow(entry) {
  const slider = element("input", {
    type: "range", min: 0, max: 2, step: 0.1, value: entry.scale, id: `scale-${entry.adapter.id}`,
  });
  const shown = element("output", { textContent: entry.scale.toFixed(1) });
  slider.setAttribute("aria-label", `Scale of ${entry.name}`);
  slider.addEventListener("input", () => {
    entry.scale = Number(slider.value);
    shown.textContent = entry.scale.toFixed(1);
    showActive();
  });
  return element("div", { className: "scale" }, element("label", { htmlFor: slider.id, textContent: "Scale" }), slider, shown);
}

function actions(entry) {
  const { adapter, name } = entry;
  const exports = Object.entries(EXPORTS).map(([format, title]) =>
    button(title, `Export ${name} as ${title}`, async () => {
      const { blob, name: file } = await api.exportAdapter(adapter.id, format);
      saveAs(blob, file);
    }),
  );
  return element(
    "div",
    { className: "actions" },
    button("Rename", `Rename ${name}`, () => edit(entry)),
    ...exports,
    button("Delete", `Delete ${name}`, () => remove(entry)),
  );
}

// Puts a field in place of the name until Enter or Escape is pressed, or the field is left.
function edit(entry) {
  const label = entry.item.querySelector(".name label");
  const field = element("input", { value: entry.name, maxLength: 200 });
  field.setAttribute("aria-label", `New name of ${entry.name}`);
  let isOpen = true;
  const close = async (save, { focus }) => {
    if (!isOpen) return;
    isOpen = false;
    const text = field.value.trim();
    try {
      if (save && text !== entry.name) Object.assign(entry.adapter, await api.labelAdapter(entry.adapter.id, text || null));
    } catch (error) {
      showProblem(error);
    }
    addAdapter(entry.adapter);
    if (focus) known.get(entry.adapter.id)?.item.querySelector("button").focus();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") close(true, { focus: true });
    if (event.key === "Escape") close(false, { focus: true });
  });
  field.addEventListener("blur", () => close(true, { focus: false }));
  label.replaceWith(field);
  field.select();
}

async function remove(entry) {
  const { adapter, item } = entry;
  try {
    await api.deleteAdapter(adapter.id);
  } catch (error) {
    if (error.status !== 404) throw error;
  }
  const position = [...list.children].indexOf(item);
  known.delete(adapter.id);
  item.remove();
  showActive();
  // Move the keyboard focus to the row now at this position, not to the top of the page.
  (list.children[Math.min(position, list.children.length - 1)]?.querySelector("input") ?? document.getElementById("files")).focus();
}

function showActive() {
  none.hidden = known.size > 0;
  tools.hidden = known.size < 2;
  const on = [...known.values()].filter((entry) => entry.on);
  active.classList.toggle("on", on.length > 0);
  active.textContent = on.length
    ? `On: ${on.map((entry) => `${entry.name} × ${entry.scale.toFixed(1)}`).join(", ")}`
    : "No adapter is on.";
}
