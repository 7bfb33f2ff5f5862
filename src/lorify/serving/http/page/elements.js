// Elements of the page that several modules build.

const problem = document.getElementById("problem");

export function element(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

export function showProblem(error) {
  problem.append(`${error.message}\n`);
}

// A small button. While its action runs it is disabled; what goes wrong is shown.
export function button(text, label, action) {
  const created = element("button", { type: "button", textContent: text, title: label });
  created.setAttribute("aria-label", label);
  created.addEventListener("click", async () => {
    created.disabled = true;
    try {
      await action(created);
    } catch (error) {
      showProblem(error);
    } finally {
      created.disabled = false;
    }
  });
  return created;
}

const SAVING_MS = 10_000;

// Lets the browser save a file.
export function saveAs(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SAVING_MS); // some browsers read it only after the click
}

const COPIED_MS = 2000;

// A button that copies the text that `read` returns.
export function copyButton(label, read) {
  return button("Copy", label, async (pressed) => {
    await copy(read());
    pressed.textContent = "Copied";
    setTimeout(() => (pressed.textContent = "Copy"), COPIED_MS);
  });
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain HTTP from another machine, browsers have no clipboard API.
  const field = element("textarea", { value: text });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
