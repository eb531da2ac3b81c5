/** Random streams through a real gateway: the bytes, the outcome and the tokens are those of a plain model. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { UsageRecord } from '../../../src/routing/usage/record.ts'
import { raw } from '../../support/replies.ts'
import { until } from '../../support/until.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, route, type TestGateway } from '../support/open-test-gateway.ts'
import { type ModelledStream, modelStream, type StreamKind } from './stream-model.ts'

type Json = Record<string, unknown>

interface Protocol {
  readonly kind: StreamKind
  readonly path: string
  readonly request: object
  /** Content, with which each stream begins. */
  readonly first: object
  readonly event: fc.Arbitrary<object | string>
  readonly tokens: readonly [input: string, output: string]
}

const count = fc.oneof(fc.nat(9_000), fc.constant(0))
const long = 'x'.repeat(70 * 1024)
const written = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom('x', 'hello "there"', 'data: [DONE]\n\n', '"usage":{"total_tokens":9}', '你好', ''),
  },
  { weight: 1, arbitrary: fc.constant(long) },
)
const usageOf = (input: string, output: string) =>
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ [input]: count, [output]: count }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>(null, [], 'x') },
  )
const failure = fc.constantFrom<object>(
  { error: { message: 'theirs' } },
  { type: 'error', error: { type: 'overloaded_error', message: 'busy' } },
  { error: {} },
)

const chatUsage = usageOf('prompt_tokens', 'completion_tokens')
const delta = fc.oneof(
  fc.record({ content: written }),
  fc.record({ reasoning_content: written }),
  fc.record({ tool_calls: fc.tuple(fc.record({ index: fc.nat(2), function: fc.record({ arguments: written }) })) }),
  fc.constantFrom<object>(
    {},
    { role: 'assistant' },
    { audio: { data: 'AAAA' } },
    { content: 'x', choices: [] },
    { tool_calls: [{ index: 0, function: { arguments: { choices: [], usage: { total_tokens: 1 } } } }] },
  ),
)
const reason = fc.constantFrom<unknown>(null, null, null, '', 'stop', 'length', 'tool_calls')
const choiceOf = (content: fc.Arbitrary<object>) =>
  fc
    .tuple(
      content,
      fc.record(
        {
          index: fc.nat(2),
          finish_reason: reason,
          logprobs: fc.constant({ content: [{ token: 'index' }] }),
          usage: chatUsage,
        },
        { requiredKeys: ['index'] },
      ),
    )
    .map(([first, rest]) => ({ ...first, ...rest }))
const choiceEvent = (choice: fc.Arbitrary<object>) =>
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record(
        {
          id: fc.constant('c'),
          choices: fc.array(choice, { minLength: 1, maxLength: 2 }),
          usage: fc.constantFrom<unknown>(null, { prompt_tokens: 4, completion_tokens: 1 }),
        },
        { requiredKeys: ['choices'] },
      ),
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(
          fc.constantFrom<object>({}, { choices: [] }, { choices: null }, { id: 'c', object: 'chunk', choices: [] }),
          chatUsage,
          fc.constantFrom<object>({}, {}, { timings: { ms: 1 } }, { error: { message: 'x' } }, { x: null }),
        )
        .map(([before, usage, behind]) => ({ ...before, usage, ...behind })),
    },
    {
      weight: 1,
      arbitrary: fc.constant({ choices: [], x_groq: { usage: { prompt_tokens: 7, completion_tokens: 7 } } }),
    },
    { weight: 1, arbitrary: failure },
    { weight: 1, arbitrary: fc.constant('[DONE]') },
  )

const typedUsage = usageOf('input_tokens', 'output_tokens')
const responseEnd = fc.record({
  type: fc.constantFrom(
    'response.completed',
    'response.incomplete',
    'response.cancelled',
    'response.failed',
    'response.in_progress',
  ),
  sequence_number: fc.nat(99),
  response: fc.record({ output: written, usage: typedUsage }, { requiredKeys: ['output'] }),
})

const chatTokens = ['prompt_tokens', 'completion_tokens'] as const
const typedTokens = ['input_tokens', 'output_tokens'] as const
const protocols: Readonly<Record<string, Protocol>> = {
  chat: {
    kind: 'choices',
    path: '/chat/completions',
    request: { messages: [] },
    first: { choices: [{ index: 0, delta: { content: 'first' } }] },
    event: choiceEvent(choiceOf(delta.map((part) => ({ delta: part })))),
    tokens: chatTokens,
  },
  completions: {
    kind: 'choices',
    path: '/completions',
    request: { prompt: 'x' },
    first: { choices: [{ index: 1, text: 'first' }] },
    event: choiceEvent(choiceOf(fc.record({ text: written }))),
    tokens: chatTokens,
  },
  responses: {
    kind: 'responses',
    path: '/responses',
    request: { input: 'x' },
    first: { type: 'response.output_text.delta', delta: 'first', sequence_number: 0 },
    event: fc.oneof(
      { weight: 4, arbitrary: written.map((text) => ({ type: 'response.output_text.delta', delta: text })) },
      { weight: 2, arbitrary: responseEnd },
      { weight: 1, arbitrary: failure },
    ),
    tokens: typedTokens,
  },
  messages: {
    kind: 'messages',
    path: '/messages',
    request: { max_tokens: 9, messages: [] },
    first: { type: 'content_block_delta', delta: { text: 'first' } },
    event: fc.oneof(
      { weight: 5, arbitrary: written.map((text) => ({ type: 'content_block_delta', delta: { text } })) },
      {
        weight: 2,
        arbitrary: fc.tuple(fc.constantFrom(null, '', 'end_turn'), typedUsage).map(([stop_reason, usage]) => ({
          type: 'message_delta',
          delta: { stop_reason },
          usage,
        })),
      },
      { weight: 2, arbitrary: typedUsage.map((usage) => ({ type: 'message_start', message: { usage } })) },
      { weight: 1, arbitrary: fc.constantFrom<object>({ type: 'ping' }, { type: 'message_stop' }) },
      { weight: 1, arbitrary: failure },
    ),
    tokens: typedTokens,
  },
  images: {
    kind: 'parts',
    path: '/images/generations',
    request: { prompt: 'x' },
    first: { type: 'image_generation.partial_image', b64_json: 'iVBO' },
    event: fc.oneof(
      { weight: 3, arbitrary: written.map((b64_json) => ({ type: 'image_generation.partial_image', b64_json })) },
      {
        weight: 3,
        arbitrary: fc.tuple(written, typedUsage).map(([b64_json, usage]) => ({
          type: 'image_generation.completed',
          b64_json,
          usage,
        })),
      },
      { weight: 1, arbitrary: failure },
      { weight: 1, arbitrary: fc.constant('[DONE]') },
    ),
    tokens: typedTokens,
  },
}

// ── how a stream is written ──

const style = fc.record({
  end: fc.constantFrom('\n', '\r\n', '\r'),
  mark: fc.constantFrom('', '', '\uFEFF'),
  prefix: fc.constantFrom('data: ', 'data:'),
  isNamed: fc.boolean(),
})
const before = fc.constantFrom('', '', '', '', ': ping', 'id: 7', 'retry: 5', ': a\n: b', ':', 'unknown: "usage"', '\n')

function write(
  value: object | string,
  lines: string,
  { end, prefix, isNamed }: { end: string; prefix: string; isNamed: boolean },
) {
  const { type } = typeof value === 'string' ? {} : (value as Json)
  const name = isNamed && typeof type === 'string' ? [`event: ${type}`] : []
  const data = typeof value === 'string' ? value : JSON.stringify(value)
  const all = [...(lines === '' ? [] : lines.split('\n')), ...name, `${prefix}${data}`]
  return all.map((line) => line + end).join('') + end
}

interface Case {
  /** A character for each byte: what fails can be read. */
  readonly sent: string
  readonly cuts: readonly number[]
  readonly ending: 'whole' | 'fin' | 'reset'
  readonly asksUsage: boolean
}

function caseOf({ first, event }: Protocol): fc.Arbitrary<Case> {
  return fc
    .record({
      how: style,
      events: fc.array(fc.tuple(event, before), { maxLength: 9 }),
      end: fc.constantFrom('', '', ': bye', 'data: [DONE]', 'id: 9'),
      cutAt: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      cutBehind: fc.option(fc.tuple(fc.nat(8), fc.integer({ min: -5, max: 3 }))),
      cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
      ending: fc.constantFrom<Case['ending']>('whole', 'whole', 'fin', 'fin', 'reset'),
      asksUsage: fc.boolean(),
    })
    .map(({ how, events, end, cutAt, cutBehind, cuts, ending, asksUsage }) => {
      const pieces = [
        how.mark + write(first, '', how),
        ...events.map(([value, lines]) => write(value, lines, how)),
        end,
      ]
      const texts = pieces.map((text) => Buffer.from(text).toString('latin1'))
      const all = texts.join('')
      const start = texts[0]!.length
      const length = cutBehind
        ? texts.slice(0, cutBehind[0] + 2).join('').length + cutBehind[1]
        : start + Math.round((cutAt ?? 1) * (all.length - start))
      const sent = all.slice(0, Math.max(start, length))
      const places = cuts.map((at) => Math.round(at * sent.length)).sort((a, b) => a - b)
      return { sent, cuts: places, ending, asksUsage }
    })
}

function chunksOf({ sent, cuts, ending }: Case): Buffer[] {
  const pieces = [0, ...cuts]
    .map((at, i) => Buffer.from(sent.slice(at, cuts[i] ?? sent.length), 'latin1'))
    .filter(({ length }) => length > 0)
  const coded = pieces.map((piece) =>
    Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
  )
  return ending === 'whole' ? [...coded, Buffer.from('0\r\n\r\n')] : coded
}

const head =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n'

// ── what came of it ──

interface Setting {
  readonly upstream: Upstream
  readonly gateway: TestGateway
  runs: number
}

/** Breaks of many streams would open the circuit of a backend that they had in common. */
async function ask(setting: Setting, protocol: Protocol, it: Case): Promise<string> {
  const { upstream, gateway } = setting
  const name = `run-${setting.runs++}`
  upstream.setScript(() => raw([head, ...chunksOf(it)], it.ending === 'reset' ? 'reset' : 'fin'))
  gateway.use({ deployments: [deployment(name, [upstream.baseUrl])], routes: [route('all', [`dep_${name}`])] })
  const options = it.asksUsage && protocol.kind === 'choices' ? { stream_options: { include_usage: true } } : {}
  const answer = await gateway.post(protocol.path, { model: 'all', stream: true, ...protocol.request, ...options })
  return Buffer.from(await answer.arrayBuffer()).toString()
}

const ownError = /event: error\ndata: \{.*broke off.*\}\n\n$/

function check(protocol: Protocol, it: Case, got: string, { records }: TestGateway): void {
  const sent = Buffer.from(it.sent, 'latin1').toString()
  const model = modelStream(protocol.kind, sent, it.ending === 'whole', it.asksUsage)
  const text = got.replace(ownError, '')
  // How much of it a reset overtakes, nobody knows.
  expect(text).toBe(it.ending === 'reset' ? model.text.slice(0, text.length) : model.text)
  if (it.ending === 'reset') return
  expect(ownError.test(got)).toBe(model.isBrokenOff)
  expect(records.at(-1)!.outcome).toBe(model.isWhole ? 'OK' : 'TRUNCATED')
  if (!model.reportsBehindEnd) checkTokens(protocol, model, records.at(-1)!)
}

/** An estimate is no less than what was reported. */
function checkTokens({ tokens: [input, output] }: Protocol, { counts }: ModelledStream, record: UsageRecord): void {
  const { tokens, provenance } = record
  const reported = { input: counts?.[input], output: counts?.[output] ?? 0 }
  const isReported = provenance === 'REPORTED' || reported.input !== undefined
  expect(isReported ? tokens?.inputTokens : undefined).toBe(reported.input)
  const outputTokens = tokens?.outputTokens ?? 0
  expect(provenance === 'REPORTED' ? outputTokens : Math.min(outputTokens, reported.output)).toBe(reported.output)
}

test.each(Object.entries(protocols))(
  '%s: a client gets what was sent, and the record tells it',
  async (_, protocol) => {
    await using upstream = await openUpstream()
    await using gateway = await openTestGateway({})
    const setting: Setting = { upstream, gateway, runs: 0 }
    await fc.assert(
      fc.asyncProperty(caseOf(protocol), async (it) => {
        const { length } = gateway.records
        const got = await ask(setting, protocol, it)
        await until(() => gateway.records.length > length)
        // What a reset overtakes, nobody knows.
        if (it.ending !== 'reset') check(protocol, it, got, gateway)
      }),
      { seed: 14, numRuns: 300 },
    )
  },
)
