// Server-sent events out of a body that is read with fetch, by the WHATWG's rules.

/** Yield each event of a body as { event, data }. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let name = '';
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return; // what no empty line has ended is no event
      rest += value;
      let from = 0;
      for (;;) {
        const found = /\r\n|\n|\r/g;
        found.lastIndex = from;
        const end = found.exec(rest);
        // A \r at the very end may be half of a \r\n.
        if (!end || (end[0] === '\r' && end.index === rest.length - 1)) break;
        const line = rest.slice(from, end.index);
        from = found.lastIndex;
        if (line === '') {
          if (data.length) yield { event: name || 'message', data: data.join('\n') };
          name = '';
          data = [];
          continue;
        }
        const colon = line.indexOf(':');
        const field = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'event') name = text;
        else if (field === 'data') data.push(text);
      }
      rest = rest.slice(from);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
