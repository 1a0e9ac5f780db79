// Images out of files: fetched with the key, and shown only if their bytes are those of an image.

import { download, el } from './dom.js';

// What a file says of itself is not believed, and SVG is a document: these four are pixels.
const KINDS = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47]],
  ['image/jpeg', [0xff, 0xd8, 0xff]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38]],
  ['image/webp', [0x52, 0x49, 0x46, 0x46]],
];

export function kindOf(bytes) {
  return KINDS.find(([, signature]) => signature.every((byte, at) => bytes[at] === byte))?.[0] ?? null;
}

/** Return the element for an image of the server's; `files.content(id)` gives its bytes. */
export function picture(files, id) {
  const figure = el('figure', { class: 'picture' }, el('figcaption', { class: 'hint', text: `image ${id}` }));
  files.content(id).then((bytes) => {
    const kind = kindOf(bytes);
    if (!kind) throw new Error('no picture');
    const url = URL.createObjectURL(new Blob([bytes], { type: kind }));
    const image = el('img', { src: url, alt: `Image ${id}`, on: { load: () => URL.revokeObjectURL(url) } });
    const save = el('button', { type: 'button', class: 'link', text: 'Save', on: { click: () => download(bytes, `${id}.${kind.slice(6)}`) } });
    figure.replaceChildren(image, el('figcaption', { class: 'hint' }, `${id} `, save));
  }).catch((error) => {
    figure.replaceChildren(el('figcaption', { class: 'hint', text: `image ${id}: ${error.message}` }));
  });
  return figure;
}
