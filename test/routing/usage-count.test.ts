import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { UsageKind } from '../../src/routing/operation.ts'
import { countTokens } from '../../src/routing/usage-count.ts'
import { estimateAnswerTokens, estimatePromptTokens, estimateTokens } from '../../src/routing/usage-estimate.ts'
import { findReportedTokens } from '../../src/routing/usage-reported.ts'

const utf8 = (text: string) => Buffer.from(text).toString('latin1')

function reported(kind: UsageKind, tail: string, head = tail) {
  const tokens = findReportedTokens(kind, { head: utf8(head), tail: utf8(tail) })
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
    ['rerank by total', 'rerank', '{"results":[],"usage":{"total_tokens":15}}', [15, 0, 0, 0]],
    [
      'rerank as Cohere says it',
      'rerank',
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
  ])('%s', (_name, kind, text, expected) => {
    expect(reported(kind, text)).toEqual(expected)
  })

  test('a streamed message has its input in the first event and its output in the last', () => {
    const head =
      'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":25,"cache_read_input_tokens":3,"output_tokens":1}}}\n\n'
    const tail =
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
    expect(reported('message', tail, head)).toEqual([28, 3, 15, 0])
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
        bytes,
        fc.constantFrom<UsageKind>('completion', 'inputOutput', 'message', 'rerank'),
        (head, tail, kind) => {
          const tokens = findReportedTokens(kind, { head, tail })
          for (const count of Object.values(tokens ?? {})) expect(count).toSatisfy(Number.isSafeInteger)
        },
      ),
    )
  })
})

describe('estimates', () => {
  const someText = fc.string({ unit: 'grapheme' }).map(utf8)

  test('more text is never fewer tokens, and no text has more tokens than bytes', () => {
    fc.assert(
      fc.property(someText, someText, (a, b) => {
        expect(estimateTokens(a + b)).toBeGreaterThanOrEqual(estimateTokens(a))
        expect(estimateTokens(a + b)).toBeLessThanOrEqual(estimateTokens(a) + estimateTokens(b))
        expect(estimateTokens(a)).toBeLessThanOrEqual(a.length)
        expect(estimateTokens(a)).toBeGreaterThanOrEqual(Math.min(1, a.length))
      }),
    )
  })

  // Roughly what vocabularies in use make of them.
  test.each([
    ['The quick brown fox jumps over the lazy dog.', 10],
    ['Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Verpflichtung.', 21],
    ['天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。', 22],
    ['for (let i = 0; i < 10; i++) { console.log(i) }', 19],
  ])('%s has about %i tokens', (text, tokens) => {
    const estimate = estimateTokens(utf8(text))
    expect(estimate / tokens).toBeGreaterThan(0.6)
    expect(estimate / tokens).toBeLessThan(1.6)
  })

  test('a prompt has the same tokens whether its characters are escaped or not', () => {
    const escaped = (json: string) =>
      json.replace(/[^\0-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const json = JSON.stringify({ messages: [{ role: 'user', content: text }] })
        expect(estimatePromptTokens(escaped(json))).toBe(estimatePromptTokens(utf8(json)))
      }),
    )
  })

  test('an image in a prompt does not count as text', () => {
    const prompt = (image: string) =>
      estimatePromptTokens(
        JSON.stringify({ messages: [{ content: [{ text: 'What is it?' }, { image_url: { url: image } }] }] }),
      )
    expect(prompt(`data:image/png;base64,${'iVBORw0KGgo'.repeat(1000)}`)).toBeLessThan(10)
    expect(prompt('A'.repeat(100_000))).toBeLessThan(10)
  })

  test('any bytes as a prompt, cut anywhere, give a number of tokens', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string({ unit: 'binary' }), (json, cut, bytes) => {
        for (const prompt of [json.slice(0, cut % (json.length + 1)), bytes]) {
          expect(estimatePromptTokens(prompt)).toBeLessThanOrEqual(prompt.length)
        }
      }),
    )
  })

  test('of a long stream the middle is taken to be like its ends', () => {
    const event = 'data: {"choices":[{"delta":{"content":" word"}}],"usage":null}\n\n'
    const whole = event.repeat(1000)
    const all = estimateAnswerTokens({ bytes: whole.length, head: whole, tail: '' })
    expect(all).toBe(2000)
    const ends = estimateAnswerTokens({ bytes: whole.length, head: whole.slice(0, 4096), tail: whole.slice(-4096) })
    expect(Math.abs(ends / all - 1)).toBeLessThan(0.05)
  })
})

describe('the count of a request', () => {
  const stream = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
  const usage = 'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n'
  const answer = (text: string, isWhole: boolean) => ({
    kind: 'completion' as const,
    bytes: text.length,
    head: '',
    tail: text,
    isWhole,
    prompt: () => '{"model":"m","messages":[{"role":"user","content":"Say hello"}]}',
  })

  test('is what upstream reported', () => {
    expect(countTokens(answer(stream + usage, true))).toMatchObject({
      provenance: 'REPORTED',
      tokens: { inputTokens: 5 },
    })
  })

  test('is estimated if upstream reported nothing', () => {
    const { provenance, tokens } = countTokens(answer(stream, true))
    expect(provenance).toBe('ESTIMATED')
    expect(tokens!.inputTokens).toBeGreaterThan(2)
    expect(tokens!.outputTokens).toBe(2)
  })

  test('is estimated if the answer broke off, and no less than what was reported until then', () => {
    const running = 'data: {"choices":[{}],"usage":{"prompt_tokens":5,"completion_tokens":900,"total_tokens":905}}\n\n'
    expect(countTokens(answer(stream + running, false))).toMatchObject({
      provenance: 'ESTIMATED',
      tokens: { inputTokens: 5, outputTokens: 900 },
    })
  })

  test('is found wherever the two kept parts of a short answer meet', () => {
    const text = stream + usage
    for (let seam = 0; seam <= text.length; seam++) {
      const parts = { head: text.slice(0, seam), tail: text.slice(seam) }
      expect(countTokens({ ...answer(text, true), ...parts }).provenance).toBe('REPORTED')
    }
  })

  test('is none where nothing has tokens', () => {
    expect(countTokens({ ...answer(usage, true), kind: 'none' })).toEqual({ provenance: 'NONE', tokens: null })
  })
})
