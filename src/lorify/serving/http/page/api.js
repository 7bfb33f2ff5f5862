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

export async function createFromFiles(files) {
  const form = new FormData();
  for (const file of files) form.append("file", file, file.name);
  return (await checked(await fetch("/v1/adapters?check=true", { method: "POST", headers: headers(), body: form }))).json();
}

export async function createFromJson(body, { check = true } = {}) {
  const options = { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body) };
  return (await checked(await fetch(`/v1/adapters?check=${check}`, options))).json();
}

export async function deleteAdapter(id) {
  await checked(await fetch(`/v1/adapters/${id}`, { method: "DELETE", headers: headers() }));
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
