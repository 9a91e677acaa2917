// The `openai` package for Node, as its users use it. For `node --test`; the server has a voice `slow` that takes its time.

import assert from 'node:assert/strict';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';

const { SPEAKERD_TEST_URL, SPEAKERD_TEST_KEY, SPEAKERD_TEST_POOR_KEY, SPEAKERD_TEST_NODE_MODULES } = process.env;
const OpenAI = createRequire(join(SPEAKERD_TEST_NODE_MODULES, 'here.js'))('openai');

// Without the header, what was said once would come from the cache.
const defaultHeaders = { 'Cache-Control': 'no-store' };
const client = new OpenAI({ baseURL: `${SPEAKERD_TEST_URL}/v1`, apiKey: SPEAKERD_TEST_KEY, timeout: 30_000, defaultHeaders });
const speech = (changes = {}) => ({ model: 'tts-1', voice: 'alloy', input: 'Tea is ready.', ...changes });

const BEGINNINGS = { mp3: '\xff', opus: 'OggS', flac: 'fLaC', wav: 'RIFF', pcm: '' };

for (const [format, beginning] of Object.entries(BEGINNINGS)) {
  test(`${format} is spoken`, async () => {
    const answer = await client.audio.speech.create(speech({ response_format: format }));
    const audio = Buffer.from(await answer.arrayBuffer());
    assert.equal(audio.toString('latin1', 0, beginning.length), beginning);
    assert.ok(audio.length > 3_000, `${audio.length} bytes`);
    assert.match(answer.headers.get('content-type'), /^audio\//);
  });
}

test('an MP3 file is written where no format is named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'speech-'));
  try {
    const answer = await client.audio.speech.create(speech());
    await pipeline(Readable.fromWeb(answer.body), createWriteStream(join(folder, 'speech.mp3')));
    assert.equal((await readFile(join(folder, 'speech.mp3')))[0], 0xff);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a Web stream is read while the audio is made', async () => {
  // 300 ms for each letter.
  const begun = performance.now();
  const answer = await client.audio.speech.create(speech({ voice: 'slow', input: 'cdefghijklmn', response_format: 'pcm' }));
  assert.ok(answer.body instanceof ReadableStream);
  const arrivals = [];
  for await (const _ of answer.body) arrivals.push(performance.now() - begun);
  assert.ok(arrivals.at(-1) > 3_000, `${arrivals}`);
  assert.ok(arrivals[0] < arrivals.at(-1) / 2, `${arrivals}`);
});

test('events carry the audio', async () => {
  const answer = await client.audio.speech.create(speech({ response_format: 'pcm', stream_format: 'sse' }));
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  const lines = (await answer.text()).split('\n').filter((line) => line.startsWith('data: '));
  const events = lines.map((line) => JSON.parse(line.slice(6)));
  const done = events.pop();
  assert.equal(done.type, 'speech.audio.done');
  assert.ok(done.usage.total_tokens > 0);
  const audio = Buffer.concat(events.map((event) => Buffer.from(event.audio, 'base64')));
  assert.ok(audio.length > 20_000, `${audio.length} bytes`);
});

test('what is wrong becomes an exception that says so', async () => {
  const wrong = (wish, by = client) => by.audio.speech.create(wish).then(() => assert.fail('it was spoken'), (error) => error);
  const cases = [
    [await wrong(speech({ voice: 'nobody' })), OpenAI.NotFoundError, 404, 'voice_not_found', 'voice'],
    [await wrong(speech({ speed: 9 })), OpenAI.BadRequestError, 400, 'invalid_value', 'speed'],
    [await wrong(speech(), client.withOptions({ apiKey: 'spk_wrong' })), OpenAI.AuthenticationError, 401, 'invalid_api_key', null],
    [await wrong(speech(), client.withOptions({ apiKey: SPEAKERD_TEST_POOR_KEY })), OpenAI.PermissionDeniedError, 403, 'missing_scope', null],
  ];
  for (const [error, kind, status, code, param] of cases) {
    assert.ok(error instanceof kind, `${error}`);
    assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
    assert.ok(error.message.length > 20, error.message);
  }
});

test('models are listed', async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  assert.ok(models.includes('tts-1'), `${models}`);
});

test('a client that leaves frees its place', async () => {
  const nPending = async () => (await client.get('/info')).n_pending;
  const leaving = new AbortController();
  const wish = speech({ voice: 'slow', input: 'The kettle is on the stove and sings. '.repeat(10), response_format: 'pcm' });
  const answer = await client.audio.speech.create(wish, { signal: leaving.signal });
  assert.equal(await nPending(), 1);
  leaving.abort();
  await assert.rejects(answer.arrayBuffer());
  for (const begun = performance.now(); await nPending(); ) assert.ok(performance.now() - begun < 10_000);
});

test('ten at once are all served', async () => {
  const wishes = Array.from({ length: 10 }, (_, idx) => speech({ input: `Here is cup number ${idx}.`, response_format: 'pcm' }));
  const answers = await Promise.all(wishes.map((wish) => client.audio.speech.create(wish)));
  const lengths = await Promise.all(answers.map(async (answer) => (await answer.arrayBuffer()).byteLength));
  assert.ok(Math.min(...lengths) > 20_000, `${lengths}`);
});
