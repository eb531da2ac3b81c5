/** What upstreams report of an answer's tokens, wherever it stands and however the answer is cut. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PlainReading } from '../../../src/gateway/answer/plain-reading.ts'
import { completions } from '../../../src/gateway/protocol/completions.ts'
import { countsOnly } from '../../../src/gateway/protocol/counts-only.ts'
import { messages } from '../../../src/gateway/protocol/messages.ts'
import { responses } from '../../../src/gateway/protocol/responses.ts'
import type { StreamProtocol } from '../../../src/gateway/protocol/stream-protocol.ts'
import { StreamReading } from '../../../src/gateway/answer/stream-reading.ts'
import type { UsageKind } from '../../../src/routing/vendors/operation.ts'

const protocols: Readonly<Record<UsageKind, StreamProtocol>> = {
  completion: completions,
  inputOutput: responses,
  message: messages,
  input: countsOnly,
  none: countsOnly,
}

function read(kind: UsageKind, text: string) {
  const bytes = Buffer.from(text)
  const reading = text.startsWith('{')
    ? new PlainReading(kind, protocols[kind])
    : new StreamReading(kind, protocols[kind], false)
  reading.take(bytes)
  return reading
}

function reported(kind: UsageKind, text: string) {
  const tokens = read(kind, text).reportedTokens()
  return tokens && [tokens.inputTokens, tokens.cachedInputTokens, tokens.outputTokens, tokens.reasoningTokens]
}

describe('reported tokens', () => {
  test.each<[string, UsageKind, string, number[] | null]>([
    [
      'chat with cache and reasoning',
      'completion',
      '{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":7,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":4}},"service_tier":"default"}',
      [19, 7, 10, 4],
    ],
    [
      'the last chunk of a stream, among chunks that say null',
      'completion',
      'data: {"choices":[{"delta":{"content":"x"}}],"usage":null}\n\ndata: {"choices":[],"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}\n\ndata: [DONE]\n\n',
      [5, 0, 2, 0],
    ],
    ['embeddings', 'completion', '{"data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}', [8, 0, 0, 0]],
    [
      'responses',
      'inputOutput',
      'event: response.completed\ndata: {"response":{"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":30},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":80},"total_tokens":123},"user":null,"metadata":{}}}\n\n',
      [36, 30, 87, 80],
    ],
    [
      'a plain message: what is cached counts as input',
      'message',
      '{"content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":20}}',
      [115, 100, 20, 0],
    ],
    ['rerank by total', 'input', '{"results":[],"usage":{"total_tokens":15}}', [15, 0, 0, 0]],
    [
      'rerank as Cohere says it',
      'input',
      '{"results":[],"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":52,"output_tokens":0}}}',
      [52, 0, 0, 0],
    ],
    [
      'transcription',
      'inputOutput',
      '{"text":"hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":14},"output_tokens":45,"total_tokens":59}}',
      [14, 0, 45, 0],
    ],
    ['transcription by duration', 'inputOutput', '{"text":"hello","usage":{"type":"duration","seconds":3}}', null],
    [
      'reasoning that is only in the total',
      'completion',
      '{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":45,"completion_tokens_details":{"reasoning_tokens":30}}}',
      [10, 0, 35, 30],
    ],
    ['an object that is cut off', 'completion', '{"usage":{"prompt_tokens":19,"completion_tok', null],
    ['nonsense', 'completion', '{"usage":{"prompt_tokens":-1,"completion_tokens":"7"}}', null],
    [
      'usage that a model wrote about is no usage',
      'completion',
      JSON.stringify({ choices: [{ message: { content: '{"usage":{"prompt_tokens":1,"total_tokens":1}}' } }] }),
      null,
    ],
    ['counting is no use', 'none', '{"input_tokens":2095}', null],
    ['a number that is not known', 'completion', '{"usage":{"prompt_tokens":-1,"completion_tokens":2}}', null],
    ['a billion tokens', 'completion', '{"usage":{"prompt_tokens":1000000000}}', [1_000_000_000, 0, 0, 0]],
    ['more than a billion tokens', 'completion', '{"usage":{"prompt_tokens":1000000001}}', null],
    ['a number that no count is', 'completion', '{"usage":{"prompt_tokens":5,"completion_tokens":1e400}}', null],
    [
      'a total that makes no sense',
      'completion',
      '{"usage":{"prompt_tokens":5,"total_tokens":9007199254740991}}',
      null,
    ],
    [
      'nonsense behind counts that made sense',
      'completion',
      'data: {"usage":{"prompt_tokens":5,"completion_tokens":1}}\n\ndata: {"usage":{"prompt_tokens":9007199254740991}}\n\n',
      null,
    ],
    [
      'a message whose counts make no sense together',
      'message',
      '{"usage":{"input_tokens":600000000,"cache_creation_input_tokens":600000000,"output_tokens":1}}',
      null,
    ],
    [
      'a message whose last count makes no sense',
      'message',
      'data: {"message":{"usage":{"input_tokens":5,"output_tokens":1}}}\n\ndata: {"usage":{"output_tokens":9007199254740991}}\n\n',
      null,
    ],
    ['rerank with nonsense', 'input', '{"meta":{"tokens":{"input_tokens":1e300}}}', null],
  ])('%s', (_name, kind, text, expected) => {
    expect(reported(kind, text)).toEqual(expected)
  })

  test('a streamed message has its input in the first event and its output in the last', () => {
    const head =
      'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":25,"cache_read_input_tokens":3,"output_tokens":1}}}\n\n'
    const tail =
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
    expect(reported('message', head + tail)).toEqual([28, 3, 15, 0])
  })

  const isFinal = (kind: UsageKind, text: string) => read(kind, text).isReportFinal
  const delta = 'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"Hello"}}\n\n'
  const messageStart =
    'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}}\n\n'
  const messageDelta = (usage: string) => `event: message_delta\ndata: {"type":"message_delta","delta":{}${usage}}\n\n`
  const stop = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'

  test.each<[string, boolean, UsageKind, string]>([
    [
      'with which a stream ends',
      true,
      'message',
      messageStart + delta + messageDelta(',"usage":{"output_tokens":15}') + stop,
    ],
    [
      'of a stream that only its last event reports',
      true,
      'message',
      delta + messageDelta(',"usage":{"input_tokens":2,"output_tokens":15}'),
    ],
    ['that stand for what is yet to come', false, 'message', messageStart + delta + messageDelta('') + stop],
    ['that stand for what did not come', false, 'message', messageStart + messageDelta('') + stop],
    ['that leave the output out', false, 'message', messageStart + messageDelta(',"usage":{"input_tokens":25}') + stop],
    [
      'with text behind them in the same event',
      true,
      'completion',
      'data: {"usage":{"prompt_tokens":5,"completion_tokens":1},"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n',
    ],
    [
      'with more text behind their event',
      false,
      'completion',
      'data: {"usage":{"prompt_tokens":5,"completion_tokens":0},"choices":[]}\r\n\r\ndata: {"choices":[{"delta":{"content":"a"}}]}\r\n\r\n',
    ],
  ])('numbers %s: final %s', (_name, expected, kind, text) => {
    expect(isFinal(kind, text)).toBe(expected)
  })

  test('numbers are found in an event whose JSON has several lines, wherever they break', () => {
    const tokens = ['"usage"', ':', '{', '"prompt_tokens"', ':', '5', ',', '"completion_tokens"', ':', '2', '}', '}']
    const gap = fc.constantFrom('', ' ', '\ndata:', '\r\ndata: ', '\rdata:  ')
    fc.assert(
      fc.property(fc.array(gap, { minLength: tokens.length, maxLength: tokens.length }), (gaps) => {
        const text = `data: {${tokens.map((token, i) => token + gaps[i]!).join('')}\n\n`
        expect(reported('completion', text)).toEqual([5, 0, 2, 0])
      }),
    )
  })

  test('no bytes whatever make it throw', () => {
    const bytes = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(fc.constantFrom('"usage"', ':', '{', '}', '"', '\\', '"prompt_tokens":3', ',', ' '), { maxLength: 30 })
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(
        bytes,
        fc.constantFrom<UsageKind>('completion', 'inputOutput', 'message', 'input'),
        fc.constantFrom('', '{', 'data: ', 'data: {'),
        (text, kind, begin) => {
          const tokens = read(kind, begin + text).reportedTokens()
          for (const count of Object.values(tokens ?? {})) expect(count).toSatisfy(Number.isSafeInteger)
        },
      ),
    )
  })
})

describe('what a plain reference reads', () => {
  type Json = Record<string, unknown>
  const count = fc.oneof(fc.nat(5_000), fc.constant(0))
  const counts = fc.record({ prompt_tokens: count, completion_tokens: count })
  const trap = fc.constantFrom<unknown>(
    '"usage":{"prompt_tokens":9,"completion_tokens":9}',
    { usage: { prompt_tokens: 8, completion_tokens: 8 } },
    [{ usage: { prompt_tokens: 7, completion_tokens: 7 }, choices: [] }],
    'data: {"usage":{"prompt_tokens":6}}\n\n',
    '\\',
    '{[',
    null,
  )
  /** Of any size, with things in it that only look like usage. */
  const padding = fc
    .record({ text: trap, numbers: fc.nat(30_000), logprobs: fc.nat(3_000) })
    .map(({ text, numbers, logprobs }): Json => ({
      arguments: text,
      embedding: Array.from({ length: numbers }, (_, i) => i / 7),
      prompt_logprobs: Array.from({ length: logprobs }, (_, i) => ({ [i]: { logprob: -1, decoded_token: '"}' } })),
    }))
  const pieces = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 8 })
  function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const end = at + sizes[i % sizes.length]!
      yield bytes.subarray(at, end)
      at = end
    }
  }

  test('is read of a plain answer of any size, wherever its usage stands and however it is cut', () => {
    fc.assert(
      fc.property(padding, padding, fc.option(counts), fc.nat(2), pieces, (before, behind, usage, space, sizes) => {
        const rename = (all: Json) =>
          Object.fromEntries(Object.entries(all).map(([name, value]) => [`${name}_2`, value]))
        const answer = { ...before, choices: [{ message: before }], ...(usage ? { usage } : {}), ...rename(behind) }
        const reading = new PlainReading('completion', completions)
        const bytes = Buffer.from(JSON.stringify(answer, null, space))
        for (const piece of cut(bytes, sizes.map((size) => Math.max(size, bytes.length / 400)).map(Math.ceil)))
          reading.take(piece)
        const tokens = reading.reportedTokens()
        expect(tokens && [tokens.inputTokens, tokens.outputTokens]).toEqual(
          usage ? [usage.prompt_tokens, usage.completion_tokens] : null,
        )
      }),
      { numRuns: 60 },
    )
  })

  test('is read of the events of a stream: no count is replaced by a smaller one', () => {
    const event = fc.record({
      usage: fc.option(counts),
      pad: trap,
      choices: fc.constantFrom<unknown>([], null, undefined, [{ delta: { content: 'x' } }]),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), fc.constantFrom('\n', '\r\n', '\r'), (events, end) => {
        const reading = new StreamReading('completion', completions, false)
        let most: number[] | null = null
        for (const { usage, pad, choices } of events) {
          reading.take(
            Buffer.from(
              `data: ${JSON.stringify({ choices, ...(usage ? { usage } : { usage: null }), pad })}${end}${end}`,
            ),
          )
          if (usage)
            most = [Math.max(most?.[0] ?? 0, usage.prompt_tokens), Math.max(most?.[1] ?? 0, usage.completion_tokens)]
        }
        const tokens = reading.reportedTokens()
        expect(tokens && [tokens.inputTokens, tokens.outputTokens]).toEqual(most)
      }),
    )
  })

  test('is dropped of a stream: usage without a choice and without an error, and nothing else', () => {
    const event = fc.record(
      {
        choices: fc.constantFrom<unknown>([], null, [{ delta: { content: 'x' } }], {}),
        usage: fc.oneof(counts, fc.constantFrom<unknown>(null, [], 5)),
        error: fc.constantFrom<unknown>(null, {}, { message: 'x' }),
        type: fc.constantFrom('error', 'x'),
        timings: fc.constantFrom<unknown>(null, { ms: 1 }),
        pad: trap,
      },
      { requiredKeys: [] },
    )
    const saysError = ({ error, type }: Json) => type === 'error' || JSON.stringify(error ?? {}) !== '{}'
    const isExtra = (chunk: Json) => {
      const { choices, usage } = chunk
      const hasNone = choices === undefined || choices === null || (Array.isArray(choices) && choices.length === 0)
      return typeof usage === 'object' && usage !== null && !Array.isArray(usage) && hasNone && !saysError(chunk)
    }
    const other = ({ choices: _choices, usage: _usage, ...rest }: Json) =>
      Object.values(rest).some((value) => value !== null && JSON.stringify(value) !== '{}')
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 8 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.boolean(),
        (chunks, end, hasId) => {
          const id = hasId ? `id: 1${end}` : ''
          const write = (chunk: object) => `${id}data: ${JSON.stringify(chunk)}${end}${end}`
          const bytes = Buffer.from(chunks.map(write).join(''))
          const taken = new StreamReading('completion', completions, true).take(bytes)
          const text = taken ? Buffer.concat([...taken.before, ...taken.after]).toString() : bytes.toString()
          const expected = chunks.map((chunk) => {
            if (!isExtra(chunk)) return write(chunk)
            const { usage: _usage, ...rest } = chunk
            if (other(chunk)) return write(rest)
            return id === '' ? '' : id + end
          })
          expect(text).toBe(expected.join(''))
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

test.each<[string, string]>([
  [
    'message_delta with zeros',
    'data: {"type":"message_start","message":{"usage":{"input_tokens":25,"cache_read_input_tokens":3,"output_tokens":1}}}\n\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":15}}\n\n',
  ],
])('%s does not take back what message_start said', (_, text) => {
  const reading = read('message', text)
  expect(reading.reportedTokens()).toMatchObject({ inputTokens: 28, cachedInputTokens: 3, outputTokens: 15 })
  expect(reading.isReportFinal).toBe(true)
})

test('a trailing chunk of zeros takes nothing back, and makes no running count final', () => {
  const usage = (input: number, output: number) =>
    `data: {"choices":[],"usage":{"prompt_tokens":${input},"completion_tokens":${output}}}\n\n`
  const last = read('completion', usage(5, 7) + usage(0, 0))
  expect(last.reportedTokens()).toMatchObject({ inputTokens: 5, outputTokens: 7 })
  expect(last.isReportFinal).toBe(true)
  const running = read('completion', `${usage(5, 1)}data: {"choices":[{"delta":{"content":"more"}}]}\n\n${usage(0, 0)}`)
  expect(running.isReportFinal).toBe(false)
})
