// The form of a task: its examples, and how well its adapter does on them.

const ARROW = "=>";

// Reads examples, one on each line, as `input => output`. Throws an error that names a line without both.
export function readExamples(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const at = line.indexOf(ARROW);
    const input = line.slice(0, Math.max(at, 0)).trim();
    const output = line.slice(at + ARROW.length).trim();
    if (at < 0 || !input || !output) throw new Error(`The example "${line}" is not in the form: input => output`);
    return { input, output };
  });
}

// The check keeps every second example back. Fewer than these are all needed to learn the task.
const MIN_CHECKED = 4;

// The body of the request and whether the examples check the adapter.
export function taskRequest(task, examplesText, seconds) {
  const examples = readExamples(examplesText);
  const body = { task };
  if (examples.length) body.examples = examples;
  if (examples.length && seconds > 0) body.refine = seconds;
  return { body, check: examples.length >= MIN_CHECKED };
}

const percent = (share) => `${Math.round(100 * share)}%`;

// What the check and the warnings of a new adapter say, one line each.
export function taskReport({ task_check: check, warnings }) {
  const lines = (warnings ?? []).map((warning) => `Warning: ${warning}`);
  if (!check) return lines;
  const beside = [`${percent(check.description_in_prompt)} with the description in the prompt`];
  if (check.examples_in_prompt != null) beside.push(`${percent(check.examples_in_prompt)} with examples in the prompt`);
  lines.push(`Right on ${percent(check.adapter)} of ${check.questions} examples; ${beside.join(", ")}.`);
  return [...lines, ...check.wrong.map((wrong) => `${wrong.input}: expected ${wrong.expected}, got ${wrong.answer}`)];
}
