// Puts the page together: the server's state, and documents and tasks coming in.

import * as api from "./api.js";
import { addAdapter, loadAdapters } from "./adapters.js";
import { setBase } from "./chat.js";

const byId = (id) => document.getElementById(id);
const progress = byId("progress");
const problem = byId("problem");

// Makes an adapter, and says how it goes; tells whether it went well.
async function make(what, create, making = "internalizing") {
  const started = performance.now();
  const ticking = setInterval(() => {
    progress.textContent = `${making} ${what} … ${((performance.now() - started) / 1000).toFixed(0)} s`;
  }, 1000);
  progress.textContent = `${making} ${what} …`;
  try {
    addAdapter(await create(), { on: true });
    progress.textContent = `${what} is an adapter now and on.`;
    return true;
  } catch (error) {
    progress.textContent = "";
    problem.append(`${error.message}\n`);
    return false;
  } finally {
    clearInterval(ticking);
  }
}

async function makeFromFiles(files) {
  problem.textContent = "";
  for (const file of files) await make(file.name, () => api.createFromFiles([file]));
}

// A file that misses the frame is taken too: the browser would leave the page to show it.
const drop = byId("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") makeFromFiles([...event.dataTransfer.files]);
  });
}
drop.addEventListener("submit", (event) => event.preventDefault());
byId("files").addEventListener("change", async (event) => {
  const files = [...event.target.files];
  event.target.value = ""; // so that the same file may be chosen again
  await makeFromFiles(files);
});

byId("text-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  const name = byId("text-name").value.trim() || "pasted text";
  const text = byId("text").value;
  if (await make(name, () => api.createFromJson({ text, name }))) event.target.reset();
});

byId("task-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  const task = byId("task").value.trim();
  if (await make("the task", () => api.createFromJson({ task }, { check: false }), "specializing")) event.target.reset();
});

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  api.setKey(byId("key").value.trim());
  byId("key").value = "";
  await start();
});

async function start() {
  problem.textContent = "";
  try {
    const state = await api.health();
    setBase(state.base);
    byId("server").textContent = `${state.base}, ${state.engine} engine`;
    byId("task-form").hidden = !state.can_specialize;
    byId("task-hint").hidden = state.can_specialize;
    await loadAdapters();
    byId("key-form").hidden = true;
  } catch (error) {
    byId("key-form").hidden = error.status !== 401;
    if (error.status === 401) byId("key").focus();
    problem.textContent = error.message;
  }
}

start();
