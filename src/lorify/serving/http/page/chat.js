// The chat: each question is answered twice, with the active adapters and by the bare model.

import { rankChoices, streamChat } from "./api.js";
import { activeAdapters } from "./adapters.js";
import { copyButton, element, saveAs } from "./elements.js";

const log = document.getElementById("log");
const form = document.getElementById("ask");
const question = document.getElementById("question");
const send = document.getElementById("send");
const stop = document.getElementById("stop");
const unrelated = document.getElementById("unrelated");
const save = document.getElementById("save");
const choices = document.getElementById("choices");

const MAX_TOKENS = 128;

let histories = { with: [], without: [] };
let running = null;
let base = null;

export function setBase(name) {
  base = name;
}

function answerBox(kind, title) {
  const heading = element("h3", { textContent: title });
  const body = element("p", { className: "text" });
  const details = element("p", { className: "details" });
  const copy = copyButton(`Copy the answer of: ${title}`, () => body.textContent);
  const box = element("article", { className: `answer ${kind}` }, element("div", { className: "head" }, heading, copy), body, details);
  return { box, heading, body, details };
}

// The passage that an answer was taken from, with its sentence highlighted.
function sourceQuote(source) {
  const start = source.passage.indexOf(source.sentence);
  return element(
    "blockquote",
    { className: "source" },
    source.passage.slice(0, start),
    element("mark", { textContent: source.sentence }),
    source.passage.slice(start + source.sentence.length),
    element("cite", { textContent: source.document }),
  );
}

// Shows the most probable choice and, below, the probability of each. It is no turn of the chat.
async function choose(_kind, adapters, prompt, parts, signal, listed) {
  const body = { model: base, input: prompt, choices: listed, adapters, only_if_relevant: unrelated.value !== "adapters" };
  try {
    const ranked = await rankChoices(body, signal);
    parts.body.textContent = ranked.answer;
    parts.details.textContent = ranked.data.map(({ text, probability }) => `${text} ${Math.round(100 * probability)}%`).join(" · ");
  } catch (error) {
    parts.details.classList.add("failed");
    parts.details.textContent = signal.aborted ? "stopped" : error.message;
  }
}

async function answer(kind, adapters, prompt, parts, signal) {
  const messages = [...histories[kind], { role: "user", content: prompt }];
  const body = { model: base, messages, max_tokens: MAX_TOKENS, adapters, only_if_relevant: unrelated.value !== "adapters" };
  if (adapters.length) {
    body.sources = true;
    body.grounded = unrelated.value === "decline";
  }
  const started = performance.now();
  let text = "";
  let isOn = false;
  let sources = [];
  try {
    for await (const chunk of streamChat(body, signal)) {
      isOn = chunk.adapter_on;
      text += chunk.choices[0]?.delta.content ?? "";
      sources = chunk.choices[0]?.sources ?? sources;
      parts.body.textContent = text;
    }
  } catch (error) {
    parts.details.classList.add("failed");
    parts.details.textContent = signal.aborted ? "stopped" : error.message;
    return;
  }
  parts.box.append(...sources.map(sourceQuote));
  histories[kind] = [...messages, { role: "assistant", content: text }];
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const unused = kind === "with" && adapters.length && !isOn;
  parts.details.textContent = `${seconds} s${unused ? " · adapters not used: the question does not seem to be about them" : ""}`;
}

async function ask(prompt) {
  const adapters = activeAdapters();
  const withBox = answerBox("with", adapters.length ? "With adapters" : "With adapters (none on)");
  const withoutBox = answerBox("without", "Bare model");
  const turn = element(
    "div",
    { className: "turn" },
    element("p", { className: "question", textContent: prompt }),
    element("div", { className: "pair" }, withBox.box, withoutBox.box),
  );
  log.append(turn);
  save.hidden = false;
  turn.scrollIntoView({ block: "nearest" });

  running = new AbortController();
  send.disabled = true;
  stop.hidden = false;
  // Screen readers announce whole answers; word by word would be unintelligible.
  log.setAttribute("aria-busy", "true");
  const listed = choices.value.split(",").map((choice) => choice.trim()).filter(Boolean);
  const reply = listed.length ? (...call) => choose(...call, listed) : answer;
  await Promise.all([
    reply("with", adapters, prompt, withBox, running.signal),
    reply("without", [], prompt, withoutBox, running.signal),
  ]);
  log.setAttribute("aria-busy", "false");
  running = null;
  send.disabled = false;
  stop.hidden = true;
  turn.scrollIntoView({ block: "nearest" });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const prompt = question.value.trim();
  if (!prompt || running || !base) return;
  question.value = "";
  question.focus();
  ask(prompt);
});

question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});

stop.addEventListener("click", () => {
  running?.abort();
  question.focus();
});

document.getElementById("clear").addEventListener("click", () => {
  running?.abort();
  histories = { with: [], without: [] };
  log.replaceChildren();
  save.hidden = true;
  question.focus();
});

// The whole chat as Markdown, as it is shown.
function chatText() {
  const turns = [...log.querySelectorAll(".turn")].map((turn) => {
    const answers = [...turn.querySelectorAll(".answer")].map(
      (box) => `**${box.querySelector("h3").textContent}:** ${box.querySelector(".text").textContent}`,
    );
    return [`## ${turn.querySelector(".question").textContent}`, ...answers].join("\n\n");
  });
  return `${turns.join("\n\n")}\n`;
}

save.addEventListener("click", () => saveAs(new Blob([chatText()], { type: "text/markdown" }), "chat.md"));
