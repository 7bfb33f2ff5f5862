// The list of adapters: which are there, which are on, and how strongly.

import * as api from "./api.js";

const list = document.getElementById("adapters");
const none = document.getElementById("none");
const active = document.getElementById("active");

const known = new Map(); // id -> { adapter, name, on, scale, item }

export function activeAdapters() {
  return [...known.values()].filter((each) => each.on).map((each) => ({ id: each.adapter.id, scale: each.scale }));
}

export function addAdapter(adapter, { on = false } = {}) {
  const before = known.get(adapter.id);
  const entry = { adapter, name: nameOf(adapter), on: on || (before?.on ?? false), scale: before?.scale ?? 1 };
  known.set(adapter.id, entry);
  // The other rows stay as they are, so that the focus does.
  entry.item = row(entry);
  if (before) before.item.replaceWith(entry.item);
  else list.prepend(entry.item);
  tellActive();
  if (adapter.checking && !before?.adapter.checking) watch(adapter.id);
}

// Shows an adapter's fidelity once the server has measured it; only its line changes, so that the focus stays.
async function watch(id) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const entry = known.get(id);
    if (!entry) return;
    try {
      const { fidelity, checking } = await api.showAdapter(id);
      Object.assign(entry.adapter, { fidelity, checking });
    } catch {
      return; // gone, or the server is; what was shown stays
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
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function facts(adapter) {
  const tokens = adapter.documents.reduce((sum, document) => sum + document.num_tokens, 0);
  const parts = [];
  if (tokens) parts.push(`${tokens.toLocaleString()} tokens`);
  parts.push(`${(adapter.num_bytes / 1e6).toFixed(1)} MB`);
  if (adapter.reused) parts.push("was there already");
  else if (adapter.seconds != null) parts.push(`made in ${adapter.seconds.toFixed(2)} s`);
  if (adapter.fidelity != null) parts.push(`fidelity ${adapter.fidelity.toFixed(2)}`);
  else if (adapter.checking) parts.push("being checked");
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
    tellActive();
  });
  slider.addEventListener("input", () => {
    entry.scale = Number(slider.value);
    shown.textContent = entry.scale.toFixed(1);
    tellActive();
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
    const place = [...list.children].indexOf(item);
    known.delete(adapter.id);
    item.remove();
    tellActive();
    // The focus goes to what stands there now, not to the top of the page.
    (list.children[Math.min(place, list.children.length - 1)]?.querySelector("input") ?? document.getElementById("files")).focus();
  });
  return item;
}

function tellActive() {
  none.hidden = known.size > 0;
  const on = [...known.values()].filter((each) => each.on);
  active.classList.toggle("on", on.length > 0);
  active.textContent = on.length
    ? `On: ${on.map((each) => `${each.name} × ${each.scale.toFixed(1)}`).join(", ")}`
    : "No adapter is on.";
}
