// The list of adapters: which exist, which are on, and their scales.

import * as api from "./api.js";

const list = document.getElementById("adapters");
const none = document.getElementById("none");
const active = document.getElementById("active");

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

function nameOf(adapter) {
  return adapter.documents.map((document) => document.name).join(", ") || `task ${adapter.id.slice(0, 8)}`;
}

function element(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

function facts(adapter) {
  const tokens = adapter.documents.reduce((sum, document) => sum + document.num_tokens, 0);
  const parts = [];
  if (tokens) parts.push(`${tokens.toLocaleString()} tokens`);
  parts.push(`${(adapter.num_bytes / 1e6).toFixed(1)} MB`);
  if (adapter.reused) parts.push("already existed");
  else if (adapter.seconds != null) parts.push(`created in ${adapter.seconds.toFixed(2)} s`);
  if (adapter.fidelity != null) parts.push(`fidelity: reproduces ${Math.round(100 * adapter.fidelity)}% of the facts checked`);
  else if (adapter.checking) parts.push("checking fidelity …");
  return parts.join(" · ");
}

function row(entry) {
  const { adapter, name } = entry;
  const toggle = element("input", { type: "checkbox", checked: entry.on, id: `on-${adapter.id}` });
  const slider = element("input", { type: "range", min: 0, max: 2, step: 0.1, value: entry.scale, id: `scale-${adapter.id}` });
  const shown = element("output", { textContent: entry.scale.toFixed(1) });
  const remove = element("button", { type: "button", textContent: "Delete", ariaLabel: `Delete ${name}` });
  const item = element(
    "li",
    { className: entry.on ? "adapter on" : "adapter" },
    element("div", { className: "name" }, toggle, element("label", { htmlFor: toggle.id, textContent: name })),
    element("p", { className: "facts", id: `facts-${adapter.id}`, textContent: facts(adapter) }),
    element("div", { className: "row" }, element("label", { htmlFor: slider.id, textContent: "Scale" }), slider, shown, remove),
  );
  slider.setAttribute("aria-label", `Scale of ${name}`);
  toggle.addEventListener("change", () => {
    entry.on = toggle.checked;
    item.classList.toggle("on", entry.on);
    showActive();
  });
  slider.addEventListener("input", () => {
    entry.scale = Number(slider.value);
    shown.textContent = entry.scale.toFixed(1);
    showActive();
  });
  remove.addEventListener("click", async () => {
    remove.disabled = true;
    try {
      await api.deleteAdapter(adapter.id);
    } catch (error) {
      if (error.status !== 404) {
        remove.disabled = false;
        document.getElementById("problem").textContent = error.message;
        return;
      }
    }
    const position = [...list.children].indexOf(item);
    known.delete(adapter.id);
    item.remove();
    showActive();
    // Move the keyboard focus to the row now at this position, not to the top of the page.
    (list.children[Math.min(position, list.children.length - 1)]?.querySelector("input") ?? document.getElementById("files")).focus();
  });
  return item;
}

function showActive() {
  none.hidden = known.size > 0;
  const on = [...known.values()].filter((entry) => entry.on);
  active.classList.toggle("on", on.length > 0);
  active.textContent = on.length
    ? `On: ${on.map((entry) => `${entry.name} × ${entry.scale.toFixed(1)}`).join(", ")}`
    : "No adapter is on.";
}
