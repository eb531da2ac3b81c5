/** The official clients, their typed errors and streams included. */
import Anthropic, {
  APIError as AnthropicAPIError,
  NotFoundError as AnthropicNotFoundError,
  PermissionDeniedError as AnthropicPermissionDeniedError,
} from '@anthropic-ai/sdk'
import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  toFile,
} from 'openai'
import { expect, test } from 'vitest'
import { status, stream } from '../../support/replies.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { openTestGateway, provider, route, type TestGateway } from '../support/open-test-gateway.ts'

async function open(upstream: Upstream): Promise<{ gateway: TestGateway; openai: OpenAI; anthropic: Anthropic }> {
  const gateway = await openTestGateway({
    providers: [provider('a', upstream.baseUrl)],
    routes: [
      route('chat', ['pmd_a']),
      route('closed', ['pmd_a'], { access: { policy: 'RESTRICTED', userIds: [], apiKeyIds: [] } }),
    ],
  })
  return {
    gateway,
    openai: new OpenAI({ apiKey: gateway.key, baseURL: `${gateway.origin}/v1`, maxRetries: 0 }),
    anthropic: new Anthropic({ apiKey: gateway.key, baseURL: gateway.origin, maxRetries: 0 }),
  }
}

const messages = [{ role: 'user', content: 'hi' } as const]

test('openai: every operation works', async () => {
  await using upstream = await openUpstream({ name: 'a' })
  const { gateway, openai } = await open(upstream)
  await using _ = gateway
  const chat = await openai.chat.completions.create({ model: 'chat', messages })
  expect(chat.choices[0]?.message.content).toBe('hello from a')
  let text = ''
  for await (const chunk of await openai.chat.completions.create({ model: 'chat', messages, stream: true }))
    text += chunk.choices[0]?.delta.content ?? ''
  expect(text).toBe('hello from a')
  const withUsage = { model: 'chat', messages, stream: true, stream_options: { include_usage: true } } as const
  let usage
  for await (const chunk of await openai.chat.completions.create(withUsage)) usage = chunk.usage ?? usage
  expect(usage?.prompt_tokens).toBe(11)
  expect((await openai.completions.create({ model: 'chat', prompt: 'hi' })).choices[0]?.text).toBe('hello from a')
  expect((await openai.embeddings.create({ model: 'chat', input: 'hi' })).data[0]?.embedding).toEqual([
    0.25, -0.5, 0.75,
  ])
  expect((await openai.responses.create({ model: 'chat', input: 'hi' })).output_text).toBe('hello from a')
  let deltas = ''
  for await (const event of await openai.responses.create({ model: 'chat', input: 'hi', stream: true }))
    if (event.type === 'response.output_text.delta') deltas += event.delta
  expect(deltas).toBe('hello from a')
  expect((await openai.moderations.create({ model: 'chat', input: 'hi' })).results).toHaveLength(1)
  expect((await openai.images.generate({ model: 'chat', prompt: 'hi' })).data).toHaveLength(1)
  const file = await toFile(Buffer.alloc(100_000, 1), 'speech.wav')
  expect((await openai.audio.transcriptions.create({ model: 'chat', file })).text).toBe('hello from a')
  expect((await openai.audio.translations.create({ model: 'chat', file })).text).toBe('hello from a')
  expect((await openai.images.edit({ model: 'chat', image: file, prompt: 'hi' })).data).toHaveLength(1)
  const speech = await openai.audio.speech.create({ model: 'chat', input: 'hi', voice: 'alloy' })
  expect((await speech.arrayBuffer()).byteLength).toBe(4096)
  expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['chat'])
  expect((await openai.models.retrieve('chat')).id).toBe('chat')
  expect(gateway.records.filter(({ outcome }) => outcome !== 'OK')).toEqual([])
  expect(new Set(upstream.inferences.map(({ headers }) => headers.authorization))).toEqual(
    new Set(['Bearer secret-of-a']),
  )
})

test('openai: errors have their types', async () => {
  await using upstream = await openUpstream({ name: 'a' })
  const { gateway, openai } = await open(upstream)
  await using _ = gateway
  const call = (model: string, client = openai) => client.chat.completions.create({ model, messages })
  await expect(call('nothing')).rejects.toBeInstanceOf(NotFoundError)
  await expect(call('closed')).rejects.toBeInstanceOf(PermissionDeniedError)
  await expect(call('chat', openai.withOptions({ apiKey: 'wrong' }))).rejects.toBeInstanceOf(AuthenticationError)
  await expect(call('nothing')).rejects.toMatchObject({
    code: 'model_not_found',
    param: 'model',
    requestID: expect.stringMatching(/^req_/),
  })
  upstream.answerNext(status(429), status(400), status(500))
  await expect(call('chat')).rejects.toBeInstanceOf(RateLimitError)
  await expect(call('chat')).rejects.toBeInstanceOf(BadRequestError)
  await expect(call('chat')).rejects.toBeInstanceOf(InternalServerError)
})

test('openai: a stream that breaks throws', async () => {
  await using upstream = await openUpstream({ name: 'a' })
  const { gateway, openai } = await open(upstream)
  await using _ = gateway
  upstream.answerNext(stream([{ choices: [{ index: 0, delta: { content: 'Hel' } }] }, {}], { cutAfterEvents: 1 }))
  let text = ''
  const reading = async () => {
    for await (const chunk of await openai.chat.completions.create({ model: 'chat', messages, stream: true }))
      text += chunk.choices[0]?.delta.content ?? ''
  }
  await expect(reading()).rejects.toBeInstanceOf(APIError)
  expect(text).toBe('Hel')
})

test('anthropic: messages, their streams, counts and errors', async () => {
  await using upstream = await openUpstream({ name: 'a' })
  const { gateway, anthropic } = await open(upstream)
  await using _ = gateway
  const request = { model: 'chat', max_tokens: 10, messages }
  const message = await anthropic.messages.create(request)
  expect(message.content[0]).toMatchObject({ text: 'hello from a' })
  expect(upstream.requests[0]?.headers['anthropic-version']).toMatch(/^\d{4}-\d\d-\d\d$/)
  expect(await anthropic.messages.stream(request).finalText()).toBe('hello from a')
  expect((await anthropic.messages.countTokens({ model: 'chat', messages })).input_tokens).toBe(11)
  const create = (model: string) => anthropic.messages.create({ ...request, model })
  await expect(create('nothing')).rejects.toBeInstanceOf(AnthropicNotFoundError)
  await expect(create('closed')).rejects.toBeInstanceOf(AnthropicPermissionDeniedError)
  const content =
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n'
  upstream.answerNext(stream([content, content], { cutAfterEvents: 1 }))
  const broken = async () => {
    for await (const _event of await anthropic.messages.create({ ...request, stream: true }));
  }
  await expect(broken()).rejects.toBeInstanceOf(AnthropicAPIError)
})
