// Adapters that are being made: a bar with the time left, and a button that cancels.

const PHASES = {
  reading: "reading",
  waiting: "waiting for earlier documents",
  internalizing: "internalizing",
  studying: "studying",
  saving: "saving",
};

const SHOW_AFTER_MS = 1000; // what is quicker needs no bar

const jobs = document.getElementById("jobs");

function timeLeft(seconds) {
  return seconds < 90 ? `about ${Math.ceil(seconds)} s left` : `about ${Math.ceil(seconds / 60)} min left`;
}

export class JobBox {
  #abort = new AbortController();
  #box = document.createElement("div");
  #bar = document.createElement("progress");
  #text = document.createElement("span");
  #cancel = document.createElement("button");

  constructor(name) {
    this.#box.className = "job row";
    this.#box.hidden = true;
    this.#bar.setAttribute("aria-label", `Progress of ${name}`);
    this.#cancel.type = "button";
    this.#cancel.textContent = "Cancel";
    this.#cancel.setAttribute("aria-label", `Cancel ${name}`);
    this.#cancel.addEventListener("click", () => {
      this.#cancel.disabled = true;
      this.#text.textContent = "cancelling …";
      this.#abort.abort();
    });
    this.#box.append(this.#bar, this.#text, this.#cancel);
    jobs.append(this.#box);
    setTimeout(() => (this.#box.hidden = false), SHOW_AFTER_MS);
  }

  get signal() {
    return this.#abort.signal;
  }

  show(job) {
    if (this.signal.aborted) return;
    if (job.phase === "internalizing" && job.fraction > 0) this.#bar.value = job.fraction;
    else this.#bar.removeAttribute("value"); // it moves without telling how far
    const left = job.seconds_left == null ? "" : `, ${timeLeft(job.seconds_left)}`;
    const percent = this.#bar.hasAttribute("value") ? ` ${Math.floor(100 * job.fraction)}%` : "";
    this.#text.textContent = `${PHASES[job.phase]}${percent}${left}`;
  }

  remove() {
    // The keyboard focus must not fall to the top of the page.
    if (this.#box.contains(document.activeElement)) document.getElementById("files").focus();
    this.#box.remove();
  }
}
