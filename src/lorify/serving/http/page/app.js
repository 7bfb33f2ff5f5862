// Entry point: connects to the server, and turns documents and tasks into adapters.

import * as api from "./api.js";
import { addAdapter, loadAdapters } from "./adapters.js";
import { setBase } from "./chat.js";
import { showProblem } from "./elements.js";
import { JobBox } from "./jobs.js";
import { taskReport, taskRequest } from "./tasks.js";

const byId = (id) => document.getElementById(id);
const progress = byId("progress");
const problem = byId("problem");

// Creates an adapter and shows the progress; returns the adapter, or null if it failed.
async function createAdapter(name, content, { verb = "Internalizing", check = true } = {}) {
  const box = new JobBox(name);
  progress.textContent = `${verb} ${name} …`;
  try {
    const adapter = await api.createAdapter(content, { check, onJob: (job) => box.show(job), signal: box.signal });
    addAdapter(adapter, { on: true });
    progress.textContent = `Adapter for ${name} created and turned on.`;
    return adapter;
  } catch (error) {
    progress.textContent = error instanceof api.Cancelled ? `${name} was cancelled.` : "";
    if (!(error instanceof api.Cancelled)) showProblem(error);
    return null;
  } finally {
    box.remove();
  }
}

// What the page asks for besides the documents; a hypernetwork without a bias adapter would refuse its scale.
function documentOptions() {
  return byId("bias").hidden ? {} : { bias_scale: byId("bias-scale").valueAsNumber };
}

byId("bias-scale").addEventListener("input", (event) => {
  byId("bias-shown").textContent = event.target.valueAsNumber.toFixed(1);
});

async function createFromFiles(files) {
  problem.textContent = "";
  for (const file of files) {
    const form = new FormData();
    form.append("file", file, file.name);
    for (const [name, value] of Object.entries(documentOptions())) form.append(name, value);
    await createAdapter(file.name, form);
  }
}

// Files dropped outside the box are accepted too: the browser would leave the page to open them.
const drop = byId("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") createFromFiles([...event.dataTransfer.files]);
  });
}
drop.addEventListener("submit", (event) => event.preventDefault());
byId("files").addEventListener("change", async (event) => {
  const files = [...event.target.files];
  event.target.value = ""; // so that the same file can be chosen again
  await createFromFiles(files);
});

byId("text-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  const name = byId("text-name").value.trim() || "pasted text";
  const text = byId("text").value;
  if (await createAdapter(name, { text, name, ...documentOptions() })) event.target.reset();
});

byId("task-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  const report = byId("task-report");
  report.replaceChildren();
  let request;
  try {
    request = taskRequest(byId("task").value.trim(), byId("examples").value, Number(byId("refine").value));
  } catch (error) {
    showProblem(error);
    return;
  }
  const adapter = await createAdapter("the task", request.body, { verb: "Specializing for", check: request.check });
  if (!adapter) return;
  report.append(...taskReport(adapter).map((line) => Object.assign(document.createElement("li"), { textContent: line })));
  event.target.reset();
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
    byId("bias").hidden = !state.has_bias_adapter;
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
