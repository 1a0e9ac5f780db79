// Files of the server's: sent, named, saved, and shown as text; never opened as what they are.

import { announce, brief, byId, download, el, visible } from './dom.js';

const MOST_TEXT = 200_000;

export class Files {
  #names = new Map();

  constructor(api) {
    this.api = api;
    for (const button of byId('place-dialog').querySelectorAll('[data-close]')) {
      button.addEventListener('click', () => byId('place-dialog').close());
    }
  }

  /** Send a file; resolves to its object. */
  async upload(file, purpose, onprogress) {
    const body = await this.api.upload(file, purpose, onprogress);
    this.#names.set(body.id, Promise.resolve(body.filename));
    return body;
  }

  /** Return what a file is called; its id if there is no such file any more. */
  name(id) {
    if (!this.#names.has(id)) {
      this.#names.set(id, this.api.get(`/files/${encodeURIComponent(id)}`).then((file) => file.filename, () => id));
    }
    return this.#names.get(id);
  }

  /** Return a small sign for a file, with its name once that is known. */
  chip(id) {
    const chip = el('button', { type: 'button', class: 'chip', title: `Save ${id}`, text: id });
    this.name(id).then((name) => (chip.textContent = visible(name)));
    chip.addEventListener('click', () => this.save(id));
    return chip;
  }

  /** Return the bytes of a file. */
  async content(id) {
    const response = await this.api.send('GET', `/files/${encodeURIComponent(id)}/content`);
    return new Uint8Array(await response.arrayBuffer());
  }

  async save(id, name) {
    try {
      download(await this.content(id), name ?? (await this.name(id)));
    } catch (error) {
      announce(error.message, true);
    }
  }

  /** Show the place that an annotation cites, as text; save the file that it names. */
  async open(note, id, results) {
    const name = note.text.replace(/^.*\//, '');
    if (note.type === 'file_path') {
      await this.save(id, name);
      return;
    }
    const dialog = byId('place-dialog');
    byId('place-title').textContent = visible(await this.name(id));
    byId('place-about').textContent = id;
    byId('place-save').onclick = () => this.save(id);
    byId('place-text').textContent = visible(brief(cited(note, id, results) ?? (await this.#text(id)), MOST_TEXT));
    dialog.showModal();
    byId('place-text').scrollTop = 0;
  }

  async #text(id) {
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(await this.content(id));
      return text.includes('\0') ? 'This file is no text. It can be saved.' : text;
    } catch (error) {
      return error instanceof TypeError ? 'This file is no text. It can be saved.' : error.message;
    }
  }
}

/** Return the piece of a file that was found, if the run has it: a citation names its number. */
function cited(note, id, results) {
  const number = Number(/^\u3010\d+:(\d+)/.exec(note.text)?.[1]);
  const found = [results[number], ...results].find((result) => result?.file_id === id);
  const text = (found?.content ?? []).map((part) => part.text).join('\n');
  return text || null;
}

/** Let files be dropped on an element. */
export function takesFiles(element, take) {
  const has = (event) => event.dataTransfer?.types.includes('Files');
  element.addEventListener('dragover', (event) => {
    if (!has(event)) return;
    event.preventDefault();
    element.classList.add('over');
  });
  element.addEventListener('dragleave', (event) => {
    if (!element.contains(event.relatedTarget)) element.classList.remove('over');
  });
  element.addEventListener('drop', (event) => {
    if (!has(event)) return;
    event.preventDefault();
    element.classList.remove('over');
    take([...event.dataTransfer.files]);
  });
}

/** A file that is being sent: its line, with how far it is, and what became of it. */
export class Sending {
  /** `work(onprogress)` sends it; `onremove` is called when it is taken away. */
  constructor(name, work, onremove) {
    this.name = name;
    this.bar = el('progress', { max: 1, value: 0, 'aria-label': `Sending ${name}` });
    this.state = el('span', { class: 'hint' });
    const remove = el('button', { type: 'button', class: 'quiet', 'aria-label': `Remove ${name}`, text: '×', on: { click: () => {
      this.element.remove();
      onremove(this);
    } } });
    this.element = el('li', { class: 'file' }, el('span', { class: 'gist grow', text: name, title: name }), this.bar, this.state, remove);
    this.done = work((share) => (this.bar.value = share)).then(
      (result) => {
        this.result = result;
        this.say('');
      },
      (error) => {
        this.error = error;
        this.say(error.message, true);
      },
    ).finally(() => (this.bar.hidden = true));
  }

  say(text, isBad = false) {
    this.state.textContent = visible(text);
    this.state.classList.toggle('bad', isBad);
  }
}
