// The programs of file_programs.py, for the Node SDK: node node_files.mjs BASE_URL PROGRAM FOLDER
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(`${process.env.NODE_PATH}/`);
const { OpenAI, toFile } = require('openai');

const [baseURL, program, folder] = process.argv.slice(2);
const GIVEN = JSON.parse(fs.readFileSync(path.join(folder, 'given.json'), 'utf8'));
const { NOTES, WHALES, LARGE, TABLE, RESULTS } = GIVEN;
const client = new OpenAI({ baseURL, apiKey: 'any' });
const SEARCH = { type: 'file_search' };
const CODE = { type: 'code_interpreter' };
const QUICK = { pollIntervalMs: 10 };

const digest = (data) => createHash('md5').update(data).digest('hex');
const named = (name, text) => toFile(Buffer.from(text), name);
const download = async (id) => {
  const response = await client.files.content(id);
  return digest(Buffer.from(await response.arrayBuffer()));
};
const shown = (file) => [
  file.object, file.filename, file.bytes, file.purpose, file.status,
  file.expires_at ? file.expires_at - file.created_at : null,
];

async function all(list, map = (item) => item) {
  const found = [];
  for await (const item of list) found.push(await map(item));
  return found;
}

async function fails(promise) {
  try {
    await promise;
  } catch (error) {
    return [error.status, error.code ?? null, error.param ?? null, error.type];
  }
  throw new Error('it did not fail');
}

async function files() {
  const place = path.join(folder, 'notes.md');
  fs.writeFileSync(place, NOTES);
  const create = (file, purpose, more) => client.files.create({ file, purpose, ...more });
  const one = await create(fs.createReadStream(place), 'assistants');
  const two = await create(fs.createReadStream(place), 'user_data');
  const three = await create(await named('a b.txt', WHALES), 'user_data', {
    expires_after: { anchor: 'created_at', seconds: 3600 },
  });
  const found = { made: [one, two, three].map(shown) };
  found.retrieved = shown(await client.files.retrieve(three.id));
  found.pages = await all(
    client.files.list({ purpose: 'user_data', limit: 1 }), (file) => file.filename,
  );
  found['oldest first'] = await all(client.files.list({ order: 'asc' }), (file) => file.filename);
  found.content = [await download(one.id), await (await client.files.content(two.id)).text()];
  const gone = await client.files.delete(one.id);
  found.deleted = [gone.object, gone.deleted, gone.id === one.id];
  found.missing = await fails(client.files.content(one.id));
  found.refused = await fails(create(await named('upload', 'x'), 'nonsense'));
  return found;
}

async function uploads() {
  const made = { filename: 'x.txt', mime_type: 'text/plain', purpose: 'assistants' };
  const data = Buffer.from(NOTES);
  const add = async (id, bytes) => (
    client.uploads.parts.create(id, { data: await toFile(bytes, 'part') })
  );
  const begun = await client.uploads.create({ bytes: data.length, ...made });
  const found = { begun: [begun.object, begun.status, begun.bytes, begun.filename] };
  const last = await add(begun.id, data.subarray(20));
  const first = await add(begun.id, data.subarray(0, 20));
  found.part = [first.object, first.upload_id === begun.id];
  const order = [first.id, last.id];
  const complete = (md5) => client.uploads.complete(begun.id, { part_ids: order, md5 });
  found['wrong sum'] = await fails(complete('0'.repeat(32)));
  const done = await complete(digest(data));
  found.completed = [done.status, ...shown(done.file)];
  found.content = await download(done.file.id);
  const givenUp = await client.uploads.cancel((await client.uploads.create({ bytes: 1, ...made })).id);
  found.cancelled = givenUp.status;
  found['too late'] = await fails(add(givenUp.id, Buffer.from('x')));
  const large = Buffer.from(LARGE);
  const whole = await client.uploads.create({
    ...made, bytes: large.length, filename: 'large.txt',
  });
  const ids = [];
  for (let start = 0; start < large.length; start += 200_000) {
    ids.push((await add(whole.id, large.subarray(start, start + 200_000))).id);
  }
  const cut = await client.uploads.complete(whole.id, { part_ids: ids });
  found.cut = [cut.status, ...shown(cut.file)];
  found['cut content'] = await download(cut.file.id);
  return found;
}

const inStore = (file) => [
  file.object, file.status, file.usage_bytes, file.attributes, file.last_error?.code ?? null,
];

async function stores() {
  const { vectorStores } = client;
  const store = await vectorStores.create({
    name: 'facts', metadata: { a: 'b' }, expires_after: { anchor: 'last_active_at', days: 3 },
  });
  const inside = { vector_store_id: store.id };
  const found = {
    made: [store.object, store.name, store.status, store.metadata],
    expires: [store.expires_after.days, store.expires_at - store.last_active_at],
  };
  const upload = async (name, text) => (
    client.files.create({ file: await named(name, text), purpose: 'assistants' })
  );
  const large = await upload('large.txt', LARGE);
  const added = await vectorStores.files.createAndPoll(store.id, {
    file_id: large.id,
    attributes: { year: 2020, draft: false },
    chunking_strategy: {
      type: 'static', static: { max_chunk_size_tokens: 4096, chunk_overlap_tokens: 0 },
    },
  }, QUICK);
  found.added = [...inStore(added), added.chunking_strategy];
  const notes = await vectorStores.files.uploadAndPoll(
    store.id, await named('notes.md', NOTES), QUICK,
  );
  found.uploaded = inStore(notes);
  const batch = await vectorStores.fileBatches.uploadAndPoll(store.id, {
    files: [await named('whales.txt', WHALES), await named('bad.pdf', 'no pdf')],
  }, QUICK);
  found.batch = [batch.object, batch.status, batch.file_counts];
  const again = await vectorStores.fileBatches.retrieve(batch.id, inside);
  found['batch again'] = [again.status, again.id === batch.id];
  found.failed = await all(
    vectorStores.fileBatches.listFiles(batch.id, { ...inside, filter: 'failed' }), inStore,
  );
  found.cancel = await fails(vectorStores.fileBatches.cancel(batch.id, inside));
  const listed = await all(
    vectorStores.files.list(store.id, { filter: 'completed', order: 'asc', limit: 1 }),
    async (file) => (await client.files.retrieve(file.id)).filename,
  );
  found.completed = listed.slice(0, 2);
  found.texts = await all(vectorStores.files.content(notes.id, inside), (part) => part.text);
  const changed = await vectorStores.files.update(
    notes.id, { ...inside, attributes: { year: 2021 } },
  );
  found.updated = changed.attributes;
  const search = (query, more) => all(
    vectorStores.search(store.id, { query, ...more }),
    (hit) => [hit.filename, hit.score, hit.attributes, hit.content.map((part) => part.text)],
  );
  found.search = await search('What is the capital of France?');
  found['two queries'] = await search(['Paris', 'largest animals'], { max_num_results: 2 });
  found.filtered = await search(
    'capital lies', { filters: { type: 'gte', key: 'year', value: 2021 } },
  );
  found.strict = await search('whales of Paris', { ranking_options: { score_threshold: 0.9 } });
  found['too many'] = await fails(
    vectorStores.search(store.id, { query: 'x', max_num_results: 51 }),
  );
  const out = await vectorStores.files.delete(notes.id, inside);
  const left = await client.files.retrieve(notes.id);
  found['taken out'] = [out.object, out.deleted, left.filename];
  const renamed = await vectorStores.update(store.id, { name: 'new', expires_after: null });
  found.renamed = [renamed.name, renamed.expires_at ?? null, renamed.file_counts];
  found.stores = await all(vectorStores.list({ limit: 1 }), (one) => one.name);
  const gone = await vectorStores.delete(store.id);
  found.deleted = [gone.object, gone.deleted];
  found.missing = await fails(vectorStores.retrieve(store.id));
  return found;
}

/** Give the annotations of a text; their files' ids become names when all is heard. */
const marks = (text) => (text.annotations ?? []).map((mark) => [
  mark.type, mark.text, mark.start_index, mark.end_index, { id: mark[mark.type].file_id },
]);

async function withNames(value, names) {
  if (Array.isArray(value)) return Promise.all(value.map((one) => withNames(one, names)));
  if (value === null || typeof value !== 'object') return value;
  names[value.id] ??= (await client.files.retrieve(value.id)).filename;
  return names[value.id];
}

async function follow(thread, assistant, names) {
  const heard = [];
  const run = client.beta.threads.runs.stream(thread, { assistant_id: assistant })
    .on('toolCallCreated', (call) => heard.push(['tool', call.type]))
    .on('messageDelta', (delta) => {
      for (const part of delta.content ?? []) {
        heard.push(part.type === 'text'
          ? ['text', part.index, part.text.value, marks(part.text)]
          : ['image', part.index, { id: part.image_file.file_id }]);
      }
    })
    .on('textDone', (text) => heard.push(['text done', text.value, marks(text)]))
    .on('imageFileDone', (image) => heard.push(['image done', { id: image.file_id }]));
  heard.push(['end', (await run.finalRun()).status]);
  return withNames(heard, names);
}

async function stored(thread, names) {
  const [answer] = (await client.beta.threads.messages.list(thread)).data;
  return withNames(answer.content.map((part) => (part.type === 'text'
    ? ['text', part.text.value, marks(part.text)]
    : ['image', { id: part.image_file.file_id }])), names);
}

async function calls(thread, params) {
  const [run] = (await client.beta.threads.runs.list(thread)).data;
  const steps = await all(
    client.beta.threads.runs.steps.list(run.id, { thread_id: thread, order: 'asc', ...params }),
  );
  return steps
    .filter((step) => step.type === 'tool_calls')
    .flatMap((step) => step.step_details.tool_calls);
}

async function searching() {
  const { threads, assistants } = client.beta;
  const upload = async (name, text) => (
    client.files.create({ file: await named(name, text), purpose: 'assistants' })
  );
  const notes = await upload('notes.md', NOTES);
  const whales = await upload('whales.txt', WHALES);
  const store = await client.vectorStores.create({ file_ids: [notes.id] });
  const assistant = await assistants.create({
    model: 'gpt-4o',
    tools: [SEARCH],
    tool_resources: { file_search: { vector_store_ids: [store.id] } },
  });
  const thread = await threads.create({
    messages: [{
      role: 'user',
      content: 'What is the capital of France, and the largest animals of the sea?',
      attachments: [{ file_id: whales.id, tools: [SEARCH] }],
    }],
  });
  const names = {};
  const found = { heard: await follow(thread.id, assistant.id, names) };
  found.kept = await stored(thread.id, names);
  const { tool_resources: resources } = await threads.retrieve(thread.id);
  const own = await client.vectorStores.retrieve(resources.file_search.vector_store_ids[0]);
  found["thread's store"] = [own.file_counts.completed, own.expires_after.days];
  const [message] = (await threads.messages.list(thread.id, { order: 'asc' })).data;
  found.attached = message.attachments.map(
    (one) => [one.file_id === whales.id, one.tools.map((tool) => tool.type)],
  );
  for (const params of [{}, { include: [RESULTS] }]) {
    found[`results ${Object.keys(params).length}`] = (await calls(thread.id, params)).map(
      (call) => [
        call.type,
        call.file_search.ranking_options.ranker,
        ...call.file_search.results.map((one) => [
          one.file_name, one.score, (one.content ?? []).map((part) => part.text),
        ]),
      ],
    );
  }
  return found;
}

async function coding() {
  const { threads, assistants } = client.beta;
  const table = await client.files.create({
    file: await named('rain.csv', TABLE), purpose: 'assistants',
  });
  const assistant = await assistants.create({ model: 'gpt-4o', tools: [CODE] });
  const thread = await threads.create({
    messages: [{
      role: 'user',
      content: 'Plot the table in this csv file.',
      attachments: [{ file_id: table.id, tools: [CODE] }],
    }],
  });
  const names = {};
  const found = { heard: await follow(thread.id, assistant.id, names) };
  found.kept = await stored(thread.id, names);
  found.calls = (await calls(thread.id, {})).map((call) => [
    call.code_interpreter.input.replaceAll(table.id, 'FILE'),
    call.code_interpreter.outputs.map((output) => (
      output.type === 'logs' ? output.logs : names[output.image.file_id]
    )),
  ]);
  found.downloads = {};
  for (const [id, name] of Object.entries(names)) found.downloads[name] = await download(id);
  found.written = await all(
    client.files.list({ purpose: 'assistants_output', order: 'asc' }), shown,
  );
  return found;
}

const found = await { files, uploads, stores, searching, coding }[program]();
console.log(JSON.stringify(found));
