// The server's API, as any client uses it. The key is in this object and nowhere else.

import { events } from './sse.js';

export class ApiError extends Error {
  constructor(status, body, requestId) {
    super(body?.error?.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body?.error?.code ?? null;
    this.requestId = requestId;
  }
}

export class Api {
  #key = null;
  #asking = null;

  /** `askForKey(why)` resolves to a key, or to null if there will be none. */
  constructor(askForKey) {
    this.askForKey = askForKey;
    this.base = new URL('v1', document.baseURI).href;
  }

  /** Whether a key was given: a server that knows its keys. */
  get hasKey() {
    return this.#key !== null;
  }

  forgetKey() {
    this.#key = null;
  }

  /** Send a request; resolves to the response, once it is no error. */
  async send(method, path, { body, signal, raw } = {}) {
    for (;;) {
      // Where any key will do, this one does.
      const used = this.#key;
      const headers = { Authorization: `Bearer ${used ?? 'playground'}`, 'OpenAI-Beta': 'assistants=v2' };
      if (body !== undefined && !raw) headers['Content-Type'] = 'application/json';
      const response = await reach(`${this.base}${path}`, {
        method,
        headers,
        body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
        signal,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        referrerPolicy: 'no-referrer',
      });
      if (response.ok) return response;
      const error = new ApiError(
        response.status,
        await response.json().catch(() => null),
        response.headers.get('x-request-id'),
      );
      if (response.status !== 401 || !(await this.#renewKey(used, error))) throw error;
    }
  }

  /** Ask for a key, once for all requests that were refused; true if there is another one now. */
  async #renewKey(used, error) {
    if (this.#key !== used) return true;
    this.#asking ??= this.askForKey(used === null ? '' : error.message).finally(() => (this.#asking = null));
    const key = await this.#asking;
    if (key) this.#key = key;
    return Boolean(key);
  }

  /** Send a file by a form; `onprogress` is told how far it is, from 0 to 1. Only this old way tells. */
  async upload(file, purpose, onprogress) {
    for (;;) {
      const used = this.#key;
      const { status, body, id } = await new Promise((resolve, reject) => {
        const form = new FormData();
        form.append('purpose', purpose);
        form.append('file', file, file.name);
        const request = new XMLHttpRequest();
        request.open('POST', `${this.base}/files`);
        request.setRequestHeader('Authorization', `Bearer ${used ?? 'playground'}`);
        request.upload.onprogress = (event) => event.lengthComputable && onprogress(event.loaded / event.total);
        request.onerror = () => reject(new Error('The server cannot be reached.'));
        request.onload = () => resolve({ status: request.status, body: parsed(request.responseText), id: request.getResponseHeader('x-request-id') });
        request.send(form);
      });
      if (status < 300) return body;
      const error = new ApiError(status, body, id);
      if (status !== 401 || !(await this.#renewKey(used, error))) throw error;
    }
  }

  async get(path, options) {
    return (await this.send('GET', path, options)).json();
  }

  async post(path, body = {}, options = {}) {
    return (await this.send('POST', path, { ...options, body })).json();
  }

  async delete(path) {
    return (await this.send('DELETE', path)).json();
  }

  /** Return all objects of a list, oldest first, at most `most`, the newest of them. */
  async list(path, most = 1000) {
    const found = [];
    let after = '';
    while (found.length < most) {
      const mark = path.includes('?') ? '&' : '?';
      const page = await this.get(`${path}${mark}limit=100&order=desc${after}`);
      found.push(...page.data);
      if (!page.has_more || !page.data.length) break;
      after = `&after=${encodeURIComponent(page.data.at(-1).id)}`;
    }
    return found.slice(0, most).reverse();
  }

  /** Post, and yield each event of the answer as { event, data }, with its data decoded. */
  async *stream(path, body, options = {}) {
    const response = await this.send('POST', path, { ...options, body: { ...body, stream: true } });
    yield* decoded(response.body);
  }

  /** Yield the events of a run that is at work already; null where a server cannot do that. */
  async attach(path, options = {}) {
    try {
      const response = await this.send('GET', path, options);
      return response.status === 204 ? null : decoded(response.body);
    } catch (error) {
      if (error instanceof ApiError && [404, 405, 410].includes(error.status)) return null;
      throw error;
    }
  }
}

async function reach(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('The server cannot be reached.', { cause: error });
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function* decoded(body) {
  for await (const { event, data } of events(body)) {
    let value = data;
    try {
      value = JSON.parse(data);
    } catch {
      // `[DONE]`, which is no JSON
    }
    yield { event, data: value };
  }
}
