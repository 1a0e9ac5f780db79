// What stands in the conversation: what the user says, and runs with their messages and calls.

import { CallView } from './calls.js';
import { duration, el, later, visible } from './dom.js';
import { Markdown, marked } from './markdown.js';
import { picture } from './pictures.js';
import { BAD } from './run.js';
import { firstToken, timelineOf } from './timeline.js';

/** Return the entry of a message that is no run's. */
export function said(message, files) {
  const isUser = message.role === 'user';
  const entry = el('li', { class: isUser ? 'said user' : 'said' }, el('h3', { class: 'aside', text: isUser ? 'You' : 'Assistant' }));
  for (const part of message.content) entry.append(plainPart(part, files));
  for (const { file_id: id } of message.attachments ?? []) entry.append(files.chip(id));
  return entry;
}

function plainPart(part, files) {
  if (part.type === 'text') return el('p', { class: 'plain', text: part.text?.value ?? part.text });
  if (part.type === 'image_file') return picture(files, part.image_file.file_id);
  // Not fetched: its address could tell somebody that it was looked at.
  return el('p', { class: 'plain', text: `[image ${part.image_url?.url ?? ''}]` });
}

/** The entry of a run. `acts`: submit(outputs), select(), files */
export class RunView {
  constructor(run, acts) {
    this.run = run;
    this.acts = acts;
    this.items = new Map();
    this.body = el('div', { class: 'items' });
    this.thinking = el('p', { class: 'thinking', 'aria-hidden': 'true' }, el('i'), el('i'), el('i'));
    this.notice = el('p', { class: 'notice', role: 'note', hidden: true });
    this.foot = el('p', { class: 'foot' });
    this.entry = el('li', { class: 'run' }, el('h3', { class: 'aside', text: 'Assistant' }),
      this.body, this.thinking, this.notice, this.foot);
    this.changed = new Set();
    run.onchange = (item) => {
      if (item) this.changed.add(item);
      later(this, () => this.draw());
    };
    this.draw();
  }

  draw() {
    const { run } = this;
    for (const item of this.changed) this.#view(item).draw();
    this.changed.clear();
    // Calls show when they wait for somebody, which only the run knows.
    const awaited = new Set(run.status === 'requires_action' ? run.awaited.map((call) => call.id) : []);
    for (const view of this.items.values()) view.await?.(awaited);
    const isBusy = !run.isAtRest && !run.error;
    const isWriting = run.items.some((item) => item.kind === 'message' && item.message?.status === 'in_progress' && item.message.content.length);
    this.thinking.hidden = !isBusy || isWriting;
    const problem = run.error ?? run.body?.last_error?.message ?? reason(run.body);
    this.notice.hidden = !problem;
    this.notice.textContent = visible(problem ?? '');
    this.entry.dataset.status = run.status;
    this.#foot();
    this.acts.drawn();
  }

  /** Forget what is drawn: the run's items are made anew. */
  again() {
    this.run.again();
    this.items.clear();
    this.changed.clear();
    this.body.replaceChildren();
  }

  #view(item) {
    let view = this.items.get(item);
    if (!view) {
      view = item.kind === 'message' ? new MessageView(item, this.acts) : new ToolsView(item, this.acts, this.run);
      this.items.set(item, view);
      this.body.append(view.element);
    }
    return view;
  }

  #foot() {
    const { run } = this;
    const made = run.isAtRest ? timelineOf(run) : null;
    const first = made ? firstToken(made) : Infinity;
    const facts = [
      el('span', { class: BAD.includes(run.status) ? 'status bad' : 'status', text: run.status.replaceAll('_', ' ') }),
      made ? el('span', { text: duration(made.duration) }) : null,
      first < Infinity ? el('span', { text: `${duration(first)} to first token` }) : null,
      run.body?.usage ? el('span', { text: `${run.body.usage.total_tokens.toLocaleString('en')} tokens` }) : null,
    ].filter(Boolean);
    // Only what changed: a button that is made anew loses the focus.
    const text = facts.map((fact) => fact.textContent).join();
    if (text === this.shown) return;
    this.shown = text;
    this.more ??= el('button', { type: 'button', class: 'link', text: 'Inspect', on: { click: () => this.acts.select(run, true) } });
    this.foot.replaceChildren(...facts, this.more);
  }

  /** Mark as the one that the inspector shows. */
  set selected(is) {
    this.entry.classList.toggle('selected', is);
  }
}

function reason(body) {
  if (body?.status !== 'incomplete') return null;
  const why = { max_completion_tokens: 'the limit of completion tokens', max_prompt_tokens: 'the limit of prompt tokens', content_filter: 'a content filter' };
  return `Cut off by ${why[body.incomplete_details?.reason] ?? 'the server'}.`;
}

class MessageView {
  constructor(item, acts) {
    this.item = item;
    this.acts = acts;
    this.parts = [];
    this.element = el('div', { class: 'message' });
  }

  draw() {
    const message = this.item.message;
    for (const [at, part] of (message?.content ?? []).entries()) {
      if (!part) continue; // a part that comes later has begun already
      this.parts[at] ??= this.#part(part);
      this.parts[at].write?.(part);
    }
  }

  #part(part) {
    if (part.type !== 'text') {
      this.element.append(plainPart(part, this.acts.files));
      return {};
    }
    const text = el('div', { class: 'text' });
    const notes = el('ol', { class: 'notes', hidden: true });
    this.element.append(text, notes);
    let cited = [];
    const markdown = new Markdown(text, (at) => cited[at] && this.#mark(cited[at], at));
    return {
      write: ({ text: { value, annotations } }) => {
        cited = annotations.filter(Boolean);
        markdown.write(marked(value, cited.map((note) => ({ start: note.start_index, end: note.end_index }))));
        if (notes.children.length !== cited.length) notes.replaceChildren(...cited.map((note) => this.#note(note)));
        notes.hidden = !cited.length;
      },
    };
  }

  #note(note) {
    const open = el('button', { type: 'button', class: 'link', text: nameOf(note) });
    open.addEventListener('click', () => this.#open(note));
    return el('li', {}, open, el('span', { class: 'hint', text: note.type === 'file_path' ? ' (save)' : '' }));
  }

  #mark(note, at) {
    const label = `Source ${at + 1}: ${nameOf(note)}`;
    return el('sup', {}, el('button', { type: 'button', class: 'cite', 'aria-label': label, title: visible(label), text: String(at + 1), on: { click: () => this.#open(note) } }));
  }

  #open(note) {
    this.acts.openFile(note, note.file_citation?.file_id ?? note.file_path?.file_id ?? '');
  }
}

const nameOf = (note) => note.text.replace(/^\u3010[^\u2020]*\u2020|\u3011$/g, '').replace(/^.*\//, '');

class ToolsView {
  constructor(item, acts, run) {
    this.item = item;
    this.acts = acts;
    this.run = run;
    this.calls = [];
    this.submit = el('button', { type: 'submit', class: 'primary', text: 'Submit outputs' });
    this.bar = el('div', { class: 'row bar', hidden: true },
      el('span', { class: 'hint grow', text: 'The run waits for what your functions return.' }), this.submit);
    this.list = el('div', { class: 'calls' });
    this.element = el('form', { class: 'tools', novalidate: true }, this.list, this.bar);
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.element.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.element.requestSubmit();
    });
  }

  draw() {
    this.item.calls.forEach((call, at) => {
      if (!call) return;
      if (!this.calls[at]) {
        this.calls[at] = new CallView(call, this.acts);
        this.list.append(this.calls[at].element);
      }
      this.calls[at].draw(this.item.step);
    });
  }

  await(ids) {
    let waits = false;
    for (const view of this.calls) {
      if (!view) continue;
      view.await(ids.has(view.call.id));
      waits ||= ids.has(view.call.id);
    }
    if (this.bar.hidden === !waits) return;
    this.bar.hidden = !waits;
    if (waits) this.acts.waits(this.calls.find((view) => view?.input));
  }

  async #send() {
    if (this.submit.disabled || this.bar.hidden) return;
    this.submit.disabled = true;
    const outputs = this.calls.filter((view) => view?.input).map((view) => {
      view.call.output = view.input.value;
      this.acts.outputs[view.call.name] = view.input.value;
      return { tool_call_id: view.call.id, output: view.input.value };
    });
    try {
      await this.acts.submit(this.run, outputs);
    } finally {
      this.submit.disabled = false;
    }
  }
}
