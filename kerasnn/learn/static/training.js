// A training on the server: made, run step by step or as a stream, and closed.

const MAX_POINTS = 600;

/** What went wrong: a code that the page has words for, and values for them. */
export class Problem extends Error {
  constructor(code, values = {}) {
    super(code);
    [this.code, this.values] = [code, values];
  }
}

/** Ask the server: GET, or POST where there is a body. */
export async function ask(path, body) {
  const binary = body instanceof Blob;
  const headers = { "Content-Type": binary ? "text/csv" : "application/json" };
  const options = body && { method: "POST", headers, body: binary ? body : JSON.stringify(body) };
  let answer;
  let content;
  try {
    answer = await fetch(`learn/${path}`, options);
    content = await answer.json();
  } catch {
    throw new Problem("away");
  }
  if (!answer.ok) {
    throw new Problem(content.code ?? "failed", { detail: content.error });
  }
  return content;
}

export class Training {
  constructor(facts) {
    this.facts = facts;
    this.frame = facts.frame;
    this.program = facts.program;
    this.points = []; // what each frame said: {at, loss, score, later}
    this.losses = facts.history; // of complete epochs, over the training rows
    this.source = null;
    this.take(facts.frame);
  }

  static async open(settings, table = {}) {
    return new Training(await ask("sessions", { settings, ...table }));
  }

  get plays() {
    return this.source !== null;
  }

  take(frame) {
    this.frame = frame;
    const { loss, score, later } = frame;
    if (loss !== null) {
      this.points.push({ at: frame.epoch + frame.done / this.facts.steps, loss, score, later });
    }
    if (this.points.length > MAX_POINTS) {
      this.points = this.points.filter((_, i) => i % 2 === 0 || i === this.points.length - 1);
    }
    if (frame.trained !== null) {
      this.losses[frame.epoch - 1] = frame.trained;
    }
  }

  /** Run {steps} or {epochs}; ends a stream first. */
  async step(count) {
    this.stop();
    const { frame, history, program } = await ask(`sessions/${this.facts.key}/step`, count);
    this.losses = history;
    this.program = program;
    this.take(frame);
  }

  /** Train until `stop`; `shown` is called for each frame, `ended` where the server ends it. */
  play(steps, shown, ended) {
    this.stop();
    this.source = new EventSource(`learn/sessions/${this.facts.key}/events?steps=${steps}`);
    this.source.onmessage = ({ data }) => {
      this.take(JSON.parse(data));
      shown();
      if (this.frame.state !== "ready") {
        this.stop();
        ended();
      }
    };
    this.source.onerror = () => {
      this.stop();
      ended();
    };
  }

  stop() {
    this.source?.close();
    this.source = null;
  }

  /** End it, so that a similar one may take over what is compiled. */
  async end() {
    this.stop();
    await ask(`sessions/${this.facts.key}/close`, {});
  }

  /** End it while the page goes away. */
  leave() {
    this.stop();
    navigator.sendBeacon(`learn/sessions/${this.facts.key}/close`);
  }
}
