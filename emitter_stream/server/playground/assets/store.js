// The files that an assistant searches: its vector store.

import { announce, byId, el } from './dom.js';
import { Sending, takesFiles } from './files.js';

const POLL = 400; // milliseconds

export class Store {
  /** `keep(storeId)` lets the assistant have the store. */
  constructor(api, files, keep) {
    this.api = api;
    this.files = files;
    this.keep = keep;
    this.id = null;
    this.making = null;
    byId('add-file').addEventListener('click', () => byId('store-upload').click());
    byId('store-upload').addEventListener('change', () => {
      this.add([...byId('store-upload').files]);
      byId('store-upload').value = '';
    });
    takesFiles(byId('store'), (dropped) => this.add(dropped));
  }

  /** Show the store of an assistant. */
  async show(assistant) {
    const id = assistant?.tool_resources?.file_search?.vector_store_ids?.[0] ?? null;
    if (id === this.id && id !== null) return;
    this.id = id;
    this.making = null;
    const list = byId('store-files');
    list.replaceChildren();
    if (!id) return;
    try {
      const { data } = await this.api.get(`/vector_stores/${encodeURIComponent(id)}/files?limit=100`);
      if (this.id === id) list.append(...data.map((file) => this.#line(id, file)));
    } catch (error) {
      if (this.id === id) list.append(el('li', { class: 'hint', text: error.message }));
    }
  }

  add(list) {
    for (const file of list) {
      const sending = new Sending(file.name, (told) => this.#put(file, told), () => {});
      sending.done.then(() => {
        if (sending.error || !sending.element.isConnected) return;
        const line = this.#line(sending.result.store, sending.result.file);
        sending.element.replaceWith(line);
      });
      byId('store-files').append(sending.element);
    }
  }

  async #put(file, told) {
    this.making ??= this.#ensure();
    const store = await this.making;
    const { id } = await this.files.upload(file, 'assistants', told);
    const path = `/vector_stores/${store}/files`;
    let made = await this.api.post(path, { file_id: id });
    while (made.status === 'in_progress') {
      await new Promise((resolve) => setTimeout(resolve, POLL));
      made = await this.api.get(`${path}/${id}`);
    }
    if (made.status === 'failed') throw new Error(made.last_error?.message ?? 'It cannot be read.');
    return { store, file: made };
  }

  async #ensure() {
    if (this.id) return this.id;
    try {
      this.id = (await this.api.post('/vector_stores', { name: 'Playground' })).id;
      await this.keep(this.id);
      return this.id;
    } catch (error) {
      this.making = null;
      throw error;
    }
  }

  #line(store, file) {
    const remove = el('button', { type: 'button', class: 'quiet', 'aria-label': `Remove ${file.id}`, text: '×' });
    const state = file.status === 'completed' ? '' : (file.last_error?.message ?? file.status);
    const line = el('li', { class: 'file' }, this.files.chip(file.id), el('span', { class: 'hint grow', text: state }), remove);
    remove.addEventListener('click', async () => {
      try {
        await this.api.delete(`/vector_stores/${store}/files/${file.id}`);
        line.remove();
      } catch (error) {
        announce(error.message, true);
      }
    });
    return line;
  }
}
