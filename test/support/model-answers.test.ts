import Anthropic from '@anthropic-ai/sdk'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { speech } from './model-answers.ts'
import { openUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let openai: OpenAI
let anthropic: Anthropic
beforeAll(async () => {
  upstream = await openUpstream({ name: 'A', secret: 'secret' })
  openai = new OpenAI({ baseURL: upstream.baseUrl, apiKey: 'secret', maxRetries: 0 })
  anthropic = new Anthropic({ baseURL: upstream.origin, apiKey: 'secret', maxRetries: 0 })
})
afterAll(() => upstream.close())

const model = 'm'
const messages = [{ role: 'user' as const, content: 'hi' }]

test('responses, plain and streamed', async () => {
  const plain = await openai.responses.create({ model, input: 'hi' })
  expect(plain.output_text).toBe('hello from A')
  const streamed = await openai.responses.stream({ model, input: 'hi' }).finalResponse()
  expect(streamed.output_text).toBe('hello from A')
  expect(streamed.usage?.input_tokens).toBe(11)
})

test('messages, plain and streamed, and their tokens', async () => {
  const plain = await anthropic.messages.create({ model, max_tokens: 9, messages })
  expect(plain.content).toMatchObject([{ type: 'text', text: 'hello from A' }])
  const streamed = await anthropic.messages.stream({ model, max_tokens: 9, messages }).finalMessage()
  expect(streamed.content).toMatchObject([{ type: 'text', text: 'hello from A' }])
  expect(streamed.usage).toMatchObject({ input_tokens: 11, output_tokens: 3 })
  expect((await anthropic.messages.countTokens({ model, messages })).input_tokens).toBe(11)
})

test('completions and embeddings', async () => {
  expect((await openai.completions.create({ model, prompt: 'hi' })).choices[0]?.text).toBe('hello from A')
  expect((await openai.embeddings.create({ model, input: ['a', 'b'] })).data[1]?.embedding).toEqual([0.25, -0.5, 0.75])
})

test('usage in a stream comes for those who ask', async () => {
  const usages: unknown[] = []
  const options = { include_usage: true }
  for await (const chunk of await openai.chat.completions.create({
    model,
    messages,
    stream: true,
    stream_options: options,
  }))
    usages.push(chunk.usage)
  expect(usages.filter(Boolean)).toMatchObject([{ prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 }])
})

test('audio both ways, images and moderations', async () => {
  const file = await toFile(Buffer.from('no real audio'), 'a.wav')
  expect((await openai.audio.transcriptions.create({ model, file })).text).toBe('hello from A')
  const spoken = await openai.audio.speech.create({ model, input: 'hi', voice: 'alloy' })
  expect(Buffer.from(await spoken.arrayBuffer()).equals(speech)).toBe(true)
  expect((await openai.images.generate({ model, prompt: 'hi' })).data?.[0]?.b64_json).toBe('aW1hZ2U=')
  expect((await openai.moderations.create({ model, input: 'hi' })).results[0]?.flagged).toBe(false)
})
