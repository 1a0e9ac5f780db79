// What this browser remembers: ids, never a key and nothing that was said.

const PREFIX = 'emitter-stream.';

export function recall(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise;
  } catch {
    return otherwise; // storage is switched off, or holds what is not ours
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // then it is not remembered
  }
}

const MOST = 12;

export const recentThreads = () => recall('threads', []).filter((id) => typeof id === 'string');

export function rememberThread(id) {
  remember('threads', [id, ...recentThreads().filter((other) => other !== id)].slice(0, MOST));
}

export function forgetThread(id) {
  remember('threads', recentThreads().filter((other) => other !== id));
}
