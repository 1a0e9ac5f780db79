// Files of the server's: looked for, fetched and saved; never opened.

import { announce, byId, download } from './dom.js';

export class Files {
  constructor(api) {
    this.api = api;
    this.has = false;
  }

  /** Find out whether this server keeps files. */
  async look() {
    this.has = await this.api.get('/vector_stores?limit=1').then(() => true, () => false);
    byId('file-search-row').hidden = !this.has;
  }

  /** Return the bytes of a file. */
  async content(id) {
    const response = await this.api.send('GET', `/files/${encodeURIComponent(id)}/content`);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Save the file that an annotation names. */
  async open(note, id) {
    try {
      const name = (note.text ?? id).replace(/^.*\//, '');
      download(await this.content(id), name);
    } catch (error) {
      announce(error.message, true);
    }
  }
}
