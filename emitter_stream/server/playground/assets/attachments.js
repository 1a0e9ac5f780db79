// The files that go with the next message.

import { byId } from './dom.js';
import { Sending, takesFiles } from './files.js';

const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

export class Attachments {
  constructor(files, form) {
    this.files = files;
    this.form = form;
    this.all = [];
    byId('attach').addEventListener('click', () => byId('attach-files').click());
    byId('attach-files').addEventListener('change', () => {
      this.add([...byId('attach-files').files]);
      byId('attach-files').value = '';
    });
    byId('say').addEventListener('paste', (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])];
      if (!pasted.length) return;
      event.preventDefault();
      this.add(pasted);
    });
    takesFiles(byId('pane-chat'), (dropped) => this.add(dropped));
  }

  add(list) {
    for (const file of list) {
      const isImage = IMAGES.includes(file.type);
      // Somebody has to read it.
      if (!isImage) this.form.readFiles();
      const sending = new Sending(file.name, (told) => this.files.upload(file, isImage ? 'vision' : 'assistants', told),
        (one) => (this.all = this.all.filter((other) => other !== one)));
      sending.isImage = isImage;
      this.all.push(sending);
      byId('attached').append(sending.element);
    }
  }

  /** Return what a message has besides its text, once it is all sent; an Error for what could not be. */
  async parts() {
    await Promise.all(this.all.map((one) => one.done));
    const failed = this.all.find((one) => one.error);
    if (failed) throw new Error(`${failed.name}: ${failed.error.message}`);
    const tools = this.form.tools.filter(({ type }) => type !== 'function').map(({ type }) => ({ type }));
    if (!tools.length) tools.push({ type: 'file_search' });
    const id = (one) => one.result.id;
    return {
      images: this.all.filter((one) => one.isImage).map((one) => ({ type: 'image_file', image_file: { file_id: id(one) } })),
      attachments: this.all.filter((one) => !one.isImage).map((one) => ({ file_id: id(one), tools })),
    };
  }

  clear() {
    this.all = [];
    byId('attached').replaceChildren();
  }
}
