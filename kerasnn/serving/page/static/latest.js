// One request at a time; of those that come meanwhile, only the last is sent.

export class Latest {
  /**
   * @param {function(*): Promise} send a request, and gives its answer.
   * @param {function(*, *)} succeeded gets the answer and its request.
   * @param {function(Error, *)} failed gets what went wrong and the request.
   */
  constructor(send, succeeded, failed) {
    this.send = send;
    this.succeeded = succeeded;
    this.failed = failed;
    this.waiting = null;
    this.busy = false;
    this.age = 0;
  }

  /** Send it now, or once the one under way is answered. */
  ask(request) {
    this.waiting = request;
    if (!this.busy) {
      this.run();
    }
  }

  /** Whatever is under way is told nobody. */
  forget() {
    this.waiting = null;
    this.age += 1;
  }

  async run() {
    this.busy = true;
    while (this.waiting !== null) {
      const request = this.waiting;
      const { age } = this;
      this.waiting = null;
      try {
        const answer = await this.send(request);
        if (age === this.age) {
          this.succeeded(answer, request);
        }
      } catch (error) {
        if (age === this.age) {
          this.failed(error, request);
        }
      }
    }
    this.busy = false;
  }
}
