// Calls to the server's API. Thrown errors carry the server's message.

const KEY = "lorify-key";

export function setKey(key) {
  sessionStorage.setItem(KEY, key);
}

function headers(more = {}) {
  const key = sessionStorage.getItem(KEY);
  return key ? { ...more, Authorization: `Bearer ${key}` } : more;
}

async function checked(response) {
  if (response.ok) return response;
  let message = `the server replied with status ${response.status}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // not lorify's JSON; perhaps a proxy replied
  }
  const error = new Error(message);
  error.status = response.status;
  throw error;
}

export async function health() {
  return (await checked(await fetch("/health"))).json();
}

export async function listAdapters() {
  return (await (await checked(await fetch("/v1/adapters", { headers: headers() }))).json()).data;
}

export async function showAdapter(id) {
  return (await checked(await fetch(`/v1/adapters/${id}`, { headers: headers() }))).json();
}

export class Cancelled extends Error {}

// Creates an adapter from a form with files or from an object, as a job that runs in the background.
// `onJob` gets the job's state until it has ended; aborting `signal` cancels it.
export async function createAdapter(content, { check = true, onJob, signal }) {
  const isForm = content instanceof FormData;
  const options = isForm
    ? { headers: headers(), body: content }
    : { headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(content) };
  const path = `/v1/adapters?check=${check}&background=true`;
  let response;
  try {
    response = await fetch(path, { method: "POST", ...options, signal });
  } catch (error) {
    throw signal.aborted ? new Cancelled() : error;
  }
  let job = await (await checked(response)).json();
  for (let wait = 50; job.status === "running"; wait = Math.min(2 * wait, 500)) {
    onJob(job);
    await new Promise((resolve) => setTimeout(resolve, wait));
    const method = signal.aborted ? "DELETE" : "GET";
    job = await (await checked(await fetch(`/v1/jobs/${job.id}`, { method, headers: headers() }))).json();
  }
  if (job.status === "cancelled") throw new Cancelled();
  if (job.error) throw new Error(job.error.message);
  // The job describes the adapter as it was made; a quick check may have ended since.
  const { fidelity, checking } = await showAdapter(job.adapter.id);
  return { ...job.adapter, fidelity, checking };
}

export async function labelAdapter(id, label) {
  const options = { method: "PUT", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify({ label }) };
  return (await checked(await fetch(`/v1/adapters/${id}/label`, options))).json();
}

// Returns the file of an adapter's export and its name.
export async function exportAdapter(id, format) {
  const response = await checked(await fetch(`/v1/adapters/${id}/export?format=${format}`, { headers: headers() }));
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition"))?.[1] ?? id;
  return { blob: await response.blob(), name };
}

export async function deleteAdapter(id) {
  await checked(await fetch(`/v1/adapters/${id}`, { method: "DELETE", headers: headers() }));
}

export async function rankChoices(body, signal) {
  const options = { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body), signal };
  return (await checked(await fetch("/v1/choices", options))).json();
}

// Requests a chat answer; yields the chunks of the stream.
export async function* streamChat(body, signal) {
  const response = await checked(
    await fetch("/v1/chat/completions", {
      method: "POST",
      headers: headers({ "Content-Type": "application/json" }),
      body: JSON.stringify({ ...body, stream: true }),
      signal,
    }),
  );
  let pending = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pending = (pending + value).replaceAll("\r\n", "\n");
    const events = pending.split("\n\n");
    pending = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: ")) continue; // a keep-alive comment
      const data = event.slice("data: ".length);
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      yield chunk;
    }
  }
}
