// The chat: each question is answered twice, with the active adapters and by the bare model.

import { rankChoices, streamChat } from "./api.js";
import { activeAdapters } from "./adapters.js";

const log = document.getElementById("log");
const form = document.getElementById("ask");
const question = document.getElementById("question");
const send = document.getElementById("send");
const stop = document.getElementById("stop");
const relevant = document.getElementById("relevant");

const choices = document.getElementById("choices");

const MAX_TOKENS = 128;

let histories = { with: [], without: [] };
let running = null;
let base = null;

export function setBase(name) {
  base = name;
}

function answerBox(kind, title) {
  const box = document.createElement("article");
  box.className = `answer ${kind}`;
  const heading = document.createElement("h3");
  heading.textContent = title;
  const body = document.createElement("p");
  body.className = "text";
  const details = document.createElement("p");
  details.className = "details";
  box.append(heading, body, details);
  return { box, heading, body, details };
}

// The passage that an answer was taken from, with its sentence highlighted.
function sourceQuote(source) {
  const quote = document.createElement("blockquote");
  quote.className = "source";
  const start = source.passage.indexOf(source.sentence);
  const sentence = document.createElement("mark");
  sentence.textContent = source.sentence;
  const name = document.createElement("cite");
  name.textContent = source.document;
  quote.append(source.passage.slice(0, start), sentence, source.passage.slice(start + source.sentence.length), name);
  return quote;
}

// Shows the most probable choice and, below, the probability of each. It is no turn of the chat.
async function choose(_kind, adapters, prompt, parts, signal, listed) {
  const body = { model: base, input: prompt, choices: listed, adapters, only_if_relevant: relevant.checked };
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
  const body = { model: base, messages, max_tokens: MAX_TOKENS, adapters, only_if_relevant: relevant.checked };
  if (adapters.length) body.sources = true;
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
  const turn = document.createElement("div");
  turn.className = "turn";
  const heading = document.createElement("p");
  heading.className = "question";
  heading.textContent = prompt;
  const pair = document.createElement("div");
  pair.className = "pair";
  const adapters = activeAdapters();
  const withBox = answerBox("with", adapters.length ? "With adapters" : "With adapters (none on)");
  const withoutBox = answerBox("without", "Bare model");
  pair.append(withBox.box, withoutBox.box);
  turn.append(heading, pair);
  log.append(turn);
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
  question.focus();
});
