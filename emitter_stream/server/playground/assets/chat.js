// A thread: its entries, the run at work, what is sent and stopped.

import { ApiError } from './api.js';
import { announce, byId, el, later } from './dom.js';
import { RunView, said } from './entries.js';
import { atEnd } from './events.js';
import { forgetThread, rememberThread } from './memory.js';
import { Run } from './run.js';

// The texts that a search found come only to who asks for them.
const INCLUDE = `?include[]=${encodeURIComponent('step_details.tool_calls[*].file_search.results[*].content')}`;
const POLL = 700; // milliseconds
const EVENTS_KEPT = 3500; // seconds
const MOST_MESSAGES = 500;
const MOST_RUNS = 60;

export class Chat {
  /** `acts`: selected(run), moved(threadId) */
  constructor(api, form, files, acts) {
    this.api = api;
    this.form = form;
    this.files = files;
    this.acts = acts;
    this.outputs = {}; // what was given by hand, by the functions' names
    this.clear();
  }

  clear() {
    this.thread = null;
    this.runs = [];
    this.view = null;
    this.active = null;
    this.lastSaid = '';
    // What still comes for the thread before is not for this one.
    this.left?.abort();
    this.left = new AbortController();
    byId('entries').replaceChildren();
    byId('flow').scrollTop = 0;
    this.tell('');
    this.#drawState();
    this.acts.selected(null);
    this.acts.moved(null);
  }

  tell(text) {
    byId('notice').textContent = text;
    byId('notice').hidden = !text;
  }

  // What is there already

  async open(threadId) {
    this.clear();
    const { signal } = this.left;
    byId('flow').setAttribute('aria-busy', 'true');
    try {
      const path = `/threads/${encodeURIComponent(threadId)}`;
      const thread = await this.api.get(path, { signal });
      const [messages, runs] = await Promise.all([
        this.#list(`${path}/messages`, MOST_MESSAGES), this.#list(`${path}/runs`, MOST_RUNS)]);
      const steps = await Promise.all(runs.map((run) => this.#list(`${path}/runs/${run.id}/steps${INCLUDE}`, 500)));
      if (signal.aborted) return;
      this.#settle(thread.id);
      for (const { message, run, at } of merged(messages, runs)) {
        if (message) this.#addSaid(message);
        else this.#addRun(new Run()).run.load(run, steps[at], messages.filter((one) => one.run_id === run.id));
      }
      const last = this.runs.at(-1);
      if (last) this.select(last.run);
      if (last && !last.run.isOver) this.#watch(last);
      later('end', () => (byId('flow').scrollTop = byId('flow').scrollHeight));
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 404) forgetThread(threadId);
      this.tell(error.message);
    } finally {
      if (!signal.aborted) byId('flow').removeAttribute('aria-busy');
    }
  }

  #list(path, most) {
    return this.api.list(path, most);
  }

  #settle(threadId) {
    this.thread = threadId;
    rememberThread(threadId);
    this.acts.moved(threadId);
    this.#drawState();
  }

  // What the user does

  /** Say something and let the assistant answer; false if it was not sent. */
  async send(text, files) {
    if (this.active || this.sending) return false;
    this.sending = true;
    this.tell('');
    const { signal } = this.left;
    let view = null;
    try {
      const { images, attachments } = await files.parts();
      const overrides = this.form.overrides;
      const assistant = await this.form.ensure();
      if (!this.thread) this.#settle((await this.api.post('/threads')).id);
      const path = `/threads/${this.thread}`;
      const message = await this.api.post(`${path}/messages`, {
        role: 'user',
        content: images.length ? [{ type: 'text', text }, ...images] : text,
        ...(attachments.length ? { attachments } : {}),
      });
      files.clear();
      if (signal.aborted) return true;
      this.#addSaid(message);
      view = this.#addRun(new Run());
      this.select(view.run);
      this.#scroll(true);
      this.#setActive(view);
      const body = { assistant_id: assistant, ...overrides };
      await this.#drive(view, this.api.stream(`${path}/runs${INCLUDE}`, body, { signal }), signal);
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      if (view) this.#failed(view, error);
      else this.tell(error.message);
      return view !== null;
    } finally {
      this.sending = false;
    }
  }

  /** Hand in the outputs of functions; the run goes on. */
  async submit(run, outputs) {
    const view = this.runs.find((one) => one.run === run);
    const { signal } = this.left;
    this.tell('');
    try {
      const path = `/threads/${this.thread}/runs/${run.id}/submit_tool_outputs`;
      this.#setActive(view);
      await this.#drive(view, this.api.stream(path, { tool_outputs: outputs }, { signal }), signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(view, error);
    }
  }

  async stop() {
    const view = this.active;
    if (!view?.run.id || view.run.isOver || view.stopping) return;
    view.stopping = true;
    this.#drawState();
    announce('Stopping');
    try {
      const body = await this.api.post(`/threads/${this.thread}/runs/${view.run.id}/cancel`);
      // Nobody streams a run that waits for outputs: what it became is in the answer or must be asked for.
      if (!view.streaming) {
        view.run.take(`thread.run.${body.status}`, body);
        if (!view.run.isOver) await this.#follow(view, this.left.signal);
      }
    } catch (error) {
      this.tell(error.message);
    } finally {
      view.stopping = false;
      this.#rest(view);
    }
  }

  select(run, open = false) {
    for (const view of this.runs) view.selected = view.run === run;
    this.selected = run;
    this.acts.selected(run, open);
    if (run.stored && run.isOver && !run.events.length) this.#recall(run);
  }

  /** Fetch the events of a run that is over; the server keeps them for an hour. */
  async #recall(run) {
    const { completed_at: done, failed_at: failed, cancelled_at: cancelled } = run.body;
    if (Date.now() / 1000 - (done ?? failed ?? cancelled ?? run.body.created_at) > EVENTS_KEPT) return;
    const { signal } = this.left;
    try {
      const events = [];
      for await (const { event, data } of (await this.#attach(run, signal)) ?? []) events.push({ t: null, event, data });
      run.events = events;
      if (!signal.aborted && run === this.selected) this.acts.selected(run);
    } catch {
      // then they are not shown
    }
  }

  #attach(run, signal) {
    return this.api.attach(`/threads/${this.thread}/runs/${run.id}/events?after=${run.told}`, { signal });
  }

  // What comes

  async #drive(view, events, signal) {
    view.streaming = true;
    try {
      for await (const { event, data } of events) {
        view.run.take(event, data);
        if (!view.started && view.run.id) {
          view.started = true;
          this.#drawState();
        }
      }
      if (!view.run.isAtRest && !view.run.error) await this.#follow(view, signal);
    } catch (error) {
      // The connection broke: the run goes on without it.
      if (signal.aborted || error instanceof ApiError || !view.run.id) throw error;
      await this.#follow(view, signal);
    } finally {
      view.streaming = false;
      if (!signal.aborted) this.#rest(view);
    }
  }

  /** Go on with a run that was found at work. */
  async #watch(view) {
    const { signal } = this.left;
    this.#setActive(view);
    if (view.run.isAtRest) return;
    try {
      await this.#follow(view, signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(view, error);
    } finally {
      if (!signal.aborted) this.#rest(view);
    }
  }

  /** Go on with a run whose events come from no request of ours, until it rests. */
  async #follow(view, signal) {
    const { run } = view;
    const begun = run.events.length > 0;
    const events = await this.#attach(run, signal);
    if (events) {
      if (!begun) view.again();
      try {
        for await (const { event, data } of events) {
          run.take(event, data);
          if (run.isAtRest) return;
        }
      } catch (error) {
        if (signal.aborted) throw error;
      }
    }
    if (!run.isAtRest) await this.#poll(view, signal);
  }

  /** Ask again and again how a run is, until it rests. */
  async #poll(view, signal) {
    const path = `/threads/${this.thread}/runs/${view.run.id}`;
    for (;;) {
      const body = await this.api.get(path, { signal });
      const [steps, messages] = await Promise.all([
        this.#list(`${path}/steps${INCLUDE}`, 500),
        this.#list(`/threads/${this.thread}/messages?run_id=${view.run.id}`, MOST_MESSAGES),
      ]);
      if (signal.aborted) return;
      view.run.load(body, steps, messages);
      if (view.run.isAtRest) return;
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
  }

  #failed(view, error) {
    view.run.fail(error.message);
    this.#rest(view);
  }

  #rest(view) {
    if (this.active !== view) return;
    if (!view.run.isOver && view.run.status === 'requires_action') announce('The run waits for the outputs of functions');
    else if (view.run.isOver || view.run.error) {
      this.active = null;
      announce(view.run.error ?? `The answer is ${view.run.status.replaceAll('_', ' ')}`);
    }
    this.#drawState();
  }

  // What is seen

  #addSaid(message) {
    this.lastSaid = message.content.map((part) => part.text?.value ?? '').join('\n') || this.lastSaid;
    byId('entries').append(said(message, this.files));
    byId('welcome').hidden = true;
  }

  #addRun(run) {
    const view = new RunView(run, {
      files: this.files,
      outputs: this.outputs,
      submit: (one, outputs) => this.submit(one, outputs),
      select: (one, open) => this.select(one, open),
      openFile: (note, id) => this.acts.openFile(note, id, run.results),
      waits: (call) => later('waits', () => call?.input?.focus({ preventScroll: true })),
      drawn: () => this.#drawn(run),
    });
    this.runs.push(view);
    byId('entries').append(view.entry);
    byId('welcome').hidden = true;
    return view;
  }

  #drawn(run) {
    this.#scroll(false);
    if (run === this.selected) this.acts.changed();
  }

  /** Keep the end in sight, unless somebody reads further up. */
  #scroll(always) {
    const flow = byId('flow');
    if (always || this.follows) flow.scrollTop = flow.scrollHeight;
    this.follows = always || this.follows;
  }

  scrolled() {
    this.follows = atEnd(byId('flow'));
  }

  #setActive(view) {
    this.active = view;
    this.follows = true;
    this.#drawState();
  }

  #drawState() {
    const { active } = this;
    byId('welcome').hidden = this.thread !== null;
    byId('stop').hidden = !active;
    byId('stop').disabled = Boolean(active?.stopping) || !active?.run.id;
    byId('stop').textContent = active?.stopping ? 'Stopping' : 'Stop';
    byId('send').hidden = Boolean(active);
    byId('where').textContent = this.thread ?? 'New thread';
  }
}

/** Put messages and runs in one order: a run stands where its first message does, else by its time. */
function merged(messages, runs) {
  const made = [];
  let next = 0;
  const runsUntil = (isDue) => {
    for (; next < runs.length && isDue(runs[next], next); next += 1) made.push({ run: runs[next], at: next });
  };
  for (const message of messages) {
    const at = runs.findIndex((run) => run.id === message.run_id);
    if (at >= 0) runsUntil((_, number) => number <= at);
    else {
      runsUntil((run) => run.created_at < message.created_at);
      made.push({ message });
    }
  }
  runsUntil(() => true);
  return made;
}
