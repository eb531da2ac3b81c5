/** What the answers of each vendor say that they took, plain and streamed, is what is recorded and billed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noFurtherPrices, type Pricing } from '../../../src/routing/config/configuration.ts'
import type { UsageRecord } from '../../../src/routing/usage/record.ts'
import type { Reply } from '../../support/exchange.ts'
import { status, stream } from '../../support/replies.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { openTestGateway, provider, route, type TestGateway } from '../support/open-test-gateway.ts'

/** Each price is another power of ten, so that a cost says by itself what was billed. */
const pricing: Pricing = {
  ...noFurtherPrices,
  inputPerMillion: '1',
  cachedInputPerMillion: '0.1',
  cacheWritePerMillion: '10',
  cacheWriteLongPerMillion: '100',
  outputPerMillion: '1000',
  reasoningPerMillion: '10000',
  perImage: '1',
  perAudioSecond: '10',
  perMillionCharacters: '1000000',
  serviceTiers: [
    { serviceTier: 'flex', factor: '0.5' },
    { serviceTier: 'priority', factor: '2' },
  ],
}
const perRequest: Pricing = { ...pricing, inputPerMillion: '0', perRequest: '0.002' }

let reply: Reply
let upstream: Upstream
let gateway: TestGateway
beforeAll(async () => {
  upstream = await openUpstream({ script: () => reply })
  const model = (id: string, ofModel: Pricing) =>
    ({ id, upstreamModel: id, categories: ['LLM'], pricing: ofModel, operations: null, contextTokens: null }) as const
  const models = [model('pmd_tokens', pricing), model('pmd_requests', perRequest)]
  gateway = await openTestGateway({
    providers: [provider('a', upstream.baseUrl, { models })],
    routes: [route('chat', ['pmd_tokens']), route('rank', ['pmd_requests'])],
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

async function billOf(path: string, body: object, answer: Reply): Promise<UsageRecord> {
  reply = answer
  await (await gateway.post(path, { model: 'chat', ...body })).arrayBuffer()
  return gateway.records.at(-1)!
}

const messages = [{ role: 'user', content: 'hi' }]
const choice = (rest: object) => ({ index: 0, finish_reason: 'stop', ...rest })
const chat = (rest: object) => ({
  object: 'chat.completion',
  choices: [choice({ message: { content: 'ok' } })],
  ...rest,
})
const chunk = (rest: object) => ({ object: 'chat.completion.chunk', choices: [], ...rest })
const words = chunk({ choices: [{ index: 0, delta: { content: 'ok' } }] })
const named = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`
const response = (rest: object) => ({ object: 'response', status: 'completed', output: [], ...rest })

/** A plain answer and the events of a stream that say the same. */
interface Bill {
  readonly path: string
  readonly body: object
  readonly plain?: object
  readonly events?: readonly (object | string)[]
  readonly tokens: readonly [input: number, cached: number, written: number, output: number, reasoning: number] | null
  readonly cost: string | null
  readonly rest?: Partial<UsageRecord>
}

const openAiUsage = {
  prompt_tokens: 100,
  completion_tokens: 20,
  total_tokens: 120,
  prompt_tokens_details: { cached_tokens: 40, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 12 },
}
const openAiResponseUsage = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40 },
  output_tokens: 20,
  output_tokens_details: { reasoning_tokens: 12 },
  total_tokens: 120,
}
const openAiTokens = [100, 40, 0, 20, 12] as const
const claudeUsage = {
  input_tokens: 30,
  cache_read_input_tokens: 50,
  cache_creation_input_tokens: 20,
  cache_creation: { ephemeral_5m_input_tokens: 15, ephemeral_1h_input_tokens: 5 },
  output_tokens: 8,
  service_tier: 'standard',
}
const claudeStart = { ...claudeUsage, output_tokens: 1 }

const bills: Record<string, Bill> = {
  'chat completions of OpenAI': {
    path: '/chat/completions',
    body: { messages },
    plain: chat({ usage: openAiUsage }),
    events: [words, chunk({ usage: openAiUsage }), 'data: [DONE]\n\n'],
    tokens: openAiTokens,
    cost: '0.128064',
  },
  'chat completions with a service tier behind the usage': {
    path: '/chat/completions',
    body: { messages, service_tier: 'auto' },
    plain: chat({ usage: openAiUsage, service_tier: 'flex', system_fingerprint: 'fp' }),
    events: [words, chunk({ usage: openAiUsage, service_tier: 'flex' }), 'data: [DONE]\n\n'],
    tokens: openAiTokens,
    cost: '0.064032',
    rest: { serviceTier: 'flex' },
  },
  'chat completions with a service tier before all else': {
    path: '/chat/completions',
    body: { messages },
    plain: { service_tier: 'priority', ...chat({ usage: openAiUsage }) },
    events: [{ ...words, service_tier: 'priority' }, chunk({ usage: openAiUsage }), 'data: [DONE]\n\n'],
    tokens: openAiTokens,
    cost: '0.256128',
    rest: { serviceTier: 'priority' },
  },
  'a text that speaks of a service tier names none': {
    path: '/chat/completions',
    body: { messages },
    plain: { choices: [choice({ message: { content: '"service_tier":"flex"' } })], usage: openAiUsage },
    events: [
      chunk({ choices: [{ index: 0, delta: { content: '"service_tier":"flex"' } }] }),
      chunk({ usage: openAiUsage }),
      'data: [DONE]\n\n',
    ],
    tokens: openAiTokens,
    cost: '0.128064',
    rest: { serviceTier: null },
  },
  'what is no name of a service tier names none': {
    path: '/chat/completions',
    body: { messages },
    plain: chat({ usage: openAiUsage, service_tier: 'a tier\n' }),
    events: [words, chunk({ usage: openAiUsage, service_tier: { flex: true } }), 'data: [DONE]\n\n'],
    tokens: openAiTokens,
    cost: '0.128064',
    rest: { serviceTier: null },
  },
  'chat completions of DeepSeek': {
    path: '/chat/completions',
    body: { messages },
    plain: chat({ usage: { prompt_tokens: 100, completion_tokens: 20, prompt_cache_hit_tokens: 64 } }),
    tokens: [100, 64, 0, 20, 0],
    cost: '0.0200424',
  },
  'chat completions of OpenRouter, with a cache that is written': {
    path: '/chat/completions',
    body: { messages },
    plain: chat({
      usage: {
        prompt_tokens: 100,
        completion_tokens: 1,
        prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 },
      },
    }),
    tokens: [100, 60, 30, 1, 0],
    cost: '0.001316',
  },
  'chat completions of LiteLLM, with a cache that is written': {
    path: '/chat/completions',
    body: { messages },
    plain: chat({
      usage: { prompt_tokens: 100, completion_tokens: 0, cache_creation_input_tokens: 30, cache_read_input_tokens: 60 },
    }),
    tokens: [100, 60, 30, 0, 0],
    cost: '0.000316',
  },
  'responses of OpenAI': {
    path: '/responses',
    body: { input: 'hi' },
    plain: response({
      metadata: { service_tier: 'flex' },
      service_tier: 'priority',
      usage: openAiResponseUsage,
      user: null,
    }),
    events: [
      named('response.created', { response: { status: 'in_progress', service_tier: 'auto', usage: null } }),
      named('response.output_text.delta', { delta: 'ok' }),
      named('response.completed', { response: response({ service_tier: 'priority', usage: openAiResponseUsage }) }),
    ],
    tokens: openAiTokens,
    cost: '0.256128',
    rest: { serviceTier: 'priority' },
  },
  'messages of Anthropic': {
    path: '/messages',
    body: { messages, max_tokens: 9 },
    plain: { type: 'message', content: [{ type: 'text', text: 'ok' }], stop_reason: 'end_turn', usage: claudeUsage },
    events: [
      named('message_start', { message: { content: [], usage: claudeStart } }),
      named('content_block_delta', { delta: { type: 'text_delta', text: 'ok' } }),
      named('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 8 } }),
      named('message_stop', {}),
    ],
    tokens: [100, 50, 20, 8, 0],
    // 30 of input, 5 millionths for 50 cached ones, 15 for 5 minutes, 5 for an hour, 8 of output.
    cost: '0.008685',
    rest: { serviceTier: 'standard' },
  },
  'messages of a server that says zeros at the end': {
    path: '/messages',
    body: { messages, max_tokens: 9 },
    events: [
      named('message_start', { message: { content: [], usage: claudeStart } }),
      named('content_block_delta', { delta: { type: 'text_delta', text: 'ok' } }),
      named('message_delta', {
        delta: { stop_reason: 'end_turn' },
        usage: { input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, output_tokens: 8 },
      }),
      named('message_stop', {}),
    ],
    tokens: [100, 50, 20, 8, 0],
    cost: '0.008685',
  },
  'messages that say only for how long they were written': {
    path: '/messages',
    body: { messages, max_tokens: 9 },
    plain: {
      type: 'message',
      content: [],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 0, cache_creation: { ephemeral_1h_input_tokens: 7 } },
    },
    tokens: [8, 0, 7, 0, 0],
    cost: '0.000701',
  },
  'images by the image': {
    path: '/images/generations',
    body: { prompt: 'a lamp', n: 2 },
    plain: { created: 1, data: [{ url: 'https://a.example/1.png' }, { url: 'https://a.example/2.png' }] },
    tokens: null,
    cost: '2',
    rest: { images: 2, provenance: 'NONE' },
  },
  'images that are longer than what is kept of an answer': {
    path: '/images/generations',
    body: { prompt: 'a lamp', n: 3 },
    plain: { created: 1, data: ['a', 'b', 'c'].map((letter) => ({ b64_json: letter.repeat(40_000) })) },
    tokens: null,
    cost: '3',
    rest: { images: 3 },
  },
  'images by their tokens, too': {
    path: '/images/generations',
    body: { prompt: 'a lamp' },
    plain: {
      data: [{ b64_json: 'aGk=' }],
      usage: {
        total_tokens: 60,
        input_tokens: 50,
        output_tokens: 10,
        input_tokens_details: { text_tokens: 50, image_tokens: 0 },
      },
    },
    events: [
      named('image_generation.partial_image', { b64_json: 'aA==', partial_image_index: 0 }),
      named('image_generation.completed', {
        b64_json: 'aGk=',
        usage: { total_tokens: 60, input_tokens: 50, output_tokens: 10 },
      }),
    ],
    tokens: [50, 0, 0, 10, 0],
    cost: '1.01005',
    rest: { images: 1 },
  },
  'a long image in a stream': {
    path: '/images/generations',
    body: { prompt: 'a lamp' },
    events: [named('image_generation.completed', { b64_json: 'a'.repeat(300_000) })],
    tokens: null,
    cost: '1',
    rest: { images: 1 },
  },
  'speech by the characters of its text': {
    path: '/audio/speech',
    body: { input: 'Grüß Gott 👋', voice: 'alloy' },
    plain: Buffer.from('ID3 sound'),
    tokens: null,
    cost: '11',
    rest: { characters: 11 },
  },
  'rankings by their tokens': {
    path: '/rerank',
    body: { query: 'a', documents: ['b'] },
    plain: { results: [], meta: { tokens: { input_tokens: 9, output_tokens: 0 }, billed_units: { input_tokens: 7 } } },
    tokens: [7, 0, 0, 0, 0],
    cost: '0.000007',
  },
  embeddings: {
    path: '/embeddings',
    body: { input: 'a' },
    plain: { data: [{ embedding: [0.1] }], usage: { prompt_tokens: 9, total_tokens: 9 } },
    tokens: [9, 0, 0, 0, 0],
    cost: '0.000009',
    rest: { images: null },
  },
}

function expectBill({ tokens, cost, rest }: Bill, record: UsageRecord): void {
  const counted = record.tokens && [
    record.tokens.inputTokens,
    record.tokens.cachedInputTokens,
    record.tokens.cacheWriteTokens,
    record.tokens.outputTokens,
    record.tokens.reasoningTokens,
  ]
  expect({ outcome: record.outcome, tokens: counted, cost: record.cost }).toEqual({ outcome: 'OK', tokens, cost })
  expect(record).toMatchObject({ images: null, audioSeconds: null, characters: null, ...rest })
}

describe('plain:', () => {
  const plain = Object.entries(bills).filter(([, bill]) => bill.plain)
  test.each(plain)('%s', async (_name, bill) => {
    expectBill(bill, await billOf(bill.path, bill.body, status(200, bill.plain)))
  })
})

describe('streamed:', () => {
  const streamed = Object.entries(bills).filter(([, bill]) => bill.events)
  test.each(streamed)('%s', async (_name, bill) => {
    expectBill(bill, await billOf(bill.path, { ...bill.body, stream: true }, stream(bill.events!)))
  })
})

/** Of recordings: a form, and answers in several forms. */
async function transcribe(answer: object | string, contentType = 'application/json'): Promise<UsageRecord> {
  reply = status(200, answer, { 'content-type': contentType })
  const form = new FormData()
  form.append('model', 'chat')
  form.append('file', new Blob(['RIFF']), 'a.wav')
  const answered = await fetch(`${gateway.origin}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}` },
    body: form,
  })
  await answered.arrayBuffer()
  return gateway.records.at(-1)!
}

test.each<[string, object | string, number | null, string | null]>([
  ['the seconds that are billed', { text: 'hi', usage: { type: 'duration', seconds: 9 }, duration: 8.47 }, 9, '90'],
  ['how long it was', { text: 'hi', duration: 8.47, segments: [] }, 8.47, '84.7'],
  ['how long it was as a text', { text: 'hi', duration: '8.470000' }, 8.47, '84.7'],
  ['more digits than a millionth', { text: 'hi', duration: 12.480000495910645 }, 12.48, '124.8'],
  ['a long transcript', { text: 'x'.repeat(50_000), duration: 3 }, 3, '30'],
  ['less than nothing', { text: 'hi', duration: -3 }, null, null],
  ['nothing', { text: 'hi' }, null, null],
  ['a text and nothing else', 'hi', null, null],
])('a transcript is billed by what is said of its seconds: %s', async (_what, answer, audioSeconds, cost) => {
  expect(await transcribe(answer)).toMatchObject({ outcome: 'OK', tokens: null, audioSeconds, cost })
})

test('a transcript that reports tokens is billed by those', async () => {
  const usage = {
    type: 'tokens',
    input_tokens: 14,
    output_tokens: 5,
    total_tokens: 19,
    input_token_details: { audio_tokens: 14 },
  }
  expect(await transcribe({ text: 'hi', usage })).toMatchObject({
    tokens: { inputTokens: 14, outputTokens: 5 },
    audioSeconds: null,
    cost: '0.005014',
  })
})

test('rankings are billed per search unit, or else per request; what failed is not billed', async () => {
  const ask = (answer: Reply) => billOf('/rerank', { model: 'rank', query: 'a', documents: ['b'] }, answer)
  expect(await ask(status(200, { results: [], meta: { billed_units: { search_units: 3 } } }))).toMatchObject({
    cost: '0.006',
  })
  expect(await ask(status(200, { results: [] }))).toMatchObject({ cost: '0.002' })
  expect(await ask(status(400))).toMatchObject({ outcome: 'CLIENT_ERROR', cost: null })
})

test('counting tokens is free, and moderation costs what a request costs', async () => {
  const free = await billOf('/messages/count_tokens', { model: 'rank', messages }, status(200, { input_tokens: 9 }))
  expect(free).toMatchObject({ outcome: 'OK', tokens: null, cost: null })
  const moderated = await billOf('/moderations', { model: 'rank', input: 'a' }, status(200, { results: [] }))
  expect(moderated).toMatchObject({ outcome: 'OK', tokens: null, provenance: 'NONE', cost: '0.002' })
})
