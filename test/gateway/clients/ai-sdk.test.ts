/** Vercel's `ai` with its provider for compatible servers: texts, streams, tools and errors. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, stepCountIs, streamText, tool } from 'ai'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { status, stream } from '../../support/replies.ts'
import type { UpstreamRequest } from '../../support/exchange.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, route, type TestGateway, testKey } from '../support/open-test-gateway.ts'

let opened: AsyncDisposableStack
let upstream: Upstream
let gateway: TestGateway

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  upstream = opened.use(await openUpstream({ name: 'a' }))
  const configuration = { deployments: [deployment('a', [upstream.baseUrl])], routes: [route('chat', ['dep_a'])] }
  gateway = opened.use(await openTestGateway(configuration))
})

afterEach(() => opened.disposeAsync())

function model(name = 'chat') {
  return createOpenAICompatible({
    name: 'signalbox',
    apiKey: testKey,
    baseURL: `${gateway.origin}/v1`,
    includeUsage: true,
  })(name)
}

const weather = tool({
  description: 'The weather of a town',
  inputSchema: z.object({ town: z.string() }),
  execute: ({ town }) => Promise.resolve(`rain in ${town}`),
})

const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"town":"Ghent"}' } }
const usage = { prompt_tokens: 20, completion_tokens: 4, total_tokens: 24 }

function hasToolAnswer(request: UpstreamRequest): boolean {
  return (request.json() as { messages: { role: string }[] }).messages.some(({ role }) => role === 'tool')
}

function toolStream() {
  const [start, end] = [call.function.arguments.slice(0, 5), call.function.arguments.slice(5)]
  const delta = (value: object, finish: string | null = null) => ({
    id: 'c1',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: value, finish_reason: finish }],
  })
  return stream([
    delta({ role: 'assistant', tool_calls: [{ index: 0, ...call, function: { name: 'weather', arguments: start } }] }),
    delta({ tool_calls: [{ index: 0, function: { arguments: end } }] }),
    delta({}, 'tool_calls'),
    { id: 'c1', object: 'chat.completion.chunk', choices: [], usage },
    '[DONE]',
  ])
}

test('generateText calls a tool, and writes with what it says', async () => {
  upstream.setScript((request) => {
    if (hasToolAnswer(request)) return undefined
    const message = { role: 'assistant', content: null, tool_calls: [call] }
    return status(200, { id: 'c1', choices: [{ index: 0, message, finish_reason: 'tool_calls' }], usage })
  })
  const result = await generateText({
    model: model(),
    prompt: 'hi',
    tools: { weather },
    stopWhen: stepCountIs(3),
    maxRetries: 0,
  })
  expect(result.text).toBe('hello from a')
  expect(result.steps[0]!.toolResults).toMatchObject([{ toolName: 'weather', output: 'rain in Ghent' }])
  expect(JSON.stringify(upstream.inferences[1]!.json())).toContain('rain in Ghent')
  expect(gateway.records).toMatchObject([{ outcome: 'OK' }, { outcome: 'OK' }])
  expect(gateway.records[0]!.tokens).toMatchObject({ inputTokens: 20, outputTokens: 4 })
})

test('streamText does the same from streams, and is told the tokens', async () => {
  upstream.setScript((request) => (hasToolAnswer(request) ? undefined : toolStream()))
  const result = streamText({
    model: model(),
    prompt: 'hi',
    tools: { weather },
    stopWhen: stepCountIs(3),
    maxRetries: 0,
  })
  const kinds = new Set<string>()
  let text = ''
  for await (const part of result.fullStream) {
    kinds.add(part.type)
    if (part.type === 'text-delta') text += part.text
  }
  expect(text).toBe('hello from a')
  expect([...kinds]).toEqual(expect.arrayContaining(['tool-call', 'tool-result', 'finish']))
  expect(kinds).not.toContain('error')
  const steps = await result.steps
  expect(steps[0]!.usage).toMatchObject({ inputTokens: 20, outputTokens: 4 })
  expect(gateway.records.map(({ outcome, stream: isStream }) => [outcome, isStream])).toEqual([
    ['OK', true],
    ['OK', true],
  ])
})

test('errors come as such, with what the gateway says of them', async () => {
  const failed = generateText({ model: model('never'), prompt: 'hi', maxRetries: 0 })
  const error = await failed.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(APICallError.isInstance(error)).toBe(true)
  expect(error).toMatchObject({ statusCode: 404, isRetryable: false })
  expect((error as APICallError).message).toContain('never')
})
