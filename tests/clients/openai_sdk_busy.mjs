// The `openai` package for Node where the server has one place and nobody waits: its own retries. For `node --test`.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';

const { SPEAKERD_TEST_URL, SPEAKERD_TEST_KEY, SPEAKERD_TEST_NODE_MODULES } = process.env;
const OpenAI = createRequire(join(SPEAKERD_TEST_NODE_MODULES, 'here.js'))('openai');

// Without the header, what was said once would come from the cache.
const defaultHeaders = { 'Cache-Control': 'no-store' };
const client = new OpenAI({ baseURL: `${SPEAKERD_TEST_URL}/v1`, apiKey: SPEAKERD_TEST_KEY, timeout: 30_000, defaultHeaders });
const speech = (changes = {}) => ({ model: 'tts-1', voice: 'alloy', input: 'Tea is ready.', response_format: 'pcm', ...changes });

test('three at once are served by the usual two retries', async () => {
  const wishes = [1, 2, 3].map((cup) => speech({ input: `Cup ${cup} of three.` }));
  const answers = await Promise.all(wishes.map((wish) => client.audio.speech.create(wish)));
  for (const answer of answers) assert.ok((await answer.arrayBuffer()).byteLength > 20_000);
});

test('who finds no place is told after the retries and gets one later', async () => {
  // One letter takes 300 ms: whoever has the place keeps it.
  const leaving = new AbortController();
  await client.audio.speech.create(speech({ voice: 'slow', input: 'The kettle is on the stove and sings. '.repeat(10) }), { signal: leaving.signal });
  const begun = performance.now();
  const error = await client.audio.speech.create(speech()).then(() => assert.fail('it was spoken'), (error) => error);
  assert.ok(error instanceof OpenAI.RateLimitError, `${error}`);
  assert.deepEqual([error.code, error.headers.get('retry-after')], ['queue_full', '1']);
  assert.ok(performance.now() - begun > 1_900, 'it came back when it was told to');
  leaving.abort();
  const answer = await client.audio.speech.create(speech());
  assert.ok((await answer.arrayBuffer()).byteLength > 20_000);
});
