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
    ['rerank with nonsense', 'rerank', '{"meta":{"tokens":{"input_tokens":1e300}}}', null],
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

describe('estimates of long answers', () => {
  const letters = fc.constantFrom('a', 'n', 'T', '9', '-', '"', '\n', '\\', '\u00e9', '\u0436', '\u4f60', '\u{1f642}')
  const word = fc.string({ unit: letters, minLength: 1, maxLength: 9 })
  const sentences = fc.array(word, { minLength: 2, maxLength: 20 }).map((words) => `${words.join(' ')}. `)
  const inside = (text: string) => utf8(JSON.stringify(text).slice(1, -1))
  /** As the gateway keeps it: the beginning of its first packet, and the end. */
  const estimate = (whole: string, firstPacket = 4096) => {
    const rest = whole.slice(firstPacket)
    return estimateAnswerTokens({ bytes: whole.length, head: whole.slice(0, firstPacket), tail: rest.slice(-4096) })
  }
  const plain = (text: string) =>
    `{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"${text}"},"finish_reason":"stop"}]}`
  const opening = 'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
  const event = (text: string) =>
    `data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"${text}"},"finish_reason":null}]}\n\n`
  const streamed = (text: string, count: number) => `${opening}${event(text).repeat(count)}data: [DONE]\n\n`

  /** How often, for answers that are short, near the border of what is kept, and far behind it. */
  const countsFor = (bytesEach: number) => {
    const near = Array.from({ length: Math.ceil(12_000 / bytesEach) }, (_, i) => Math.ceil(1024 / bytesEach) + i)
    return [...near, ...[20_000, 100_000, 1_000_000].map((bytes) => Math.ceil(bytes / bytesEach))]
  }

  test('of a plain answer, they grow with its text, and each byte of it counts the same', () => {
    fc.assert(
      fc.property(sentences, fc.constantFrom(4096, 700), (sentence, firstPacket) => {
        const text = inside(sentence)
        const each = estimate(plain(text.repeat(20))) / 20
        let before = 0
        for (const count of countsFor(text.length)) {
          const tokens = estimate(plain(text.repeat(count)), firstPacket)
          expect(tokens).toBeGreaterThanOrEqual(before)
          expect(Math.abs(tokens / count / each - 1)).toBeLessThan(0.1)
          before = tokens
        }
      }),
      { numRuns: 50 },
    )
  })

  test('of a stream, they grow with its events, and each of them counts the same', () => {
    fc.assert(
      fc.property(sentences, fc.constantFrom(4096, opening.length), (sentence, firstPacket) => {
        const text = inside(sentence)
        const each = estimate(event(text))
        let before = 0
        for (const count of countsFor(event(text).length)) {
          const tokens = estimate(streamed(text, count), firstPacket)
          expect(tokens).toBeGreaterThanOrEqual(before)
          expect(Math.abs(tokens / count / each - 1)).toBeLessThan(0.1)
          before = tokens
        }
      }),
      { numRuns: 50 },
    )
  })

  test('one more letter of a plain answer is never fewer tokens', () => {
    const text = 'The quick, brown fox jumps over 13 lazy dogs; they sleep. '.repeat(20_000)
    let before = 0
    for (const from of [7_500, 100_000, 1_000_000]) {
      for (let length = from; length < from + 800; length++) {
        const tokens = estimate(plain(text.slice(0, length)))
        expect(tokens).toBeGreaterThanOrEqual(before)
        before = tokens
      }
    }
  })

  test('of a stream of words, and of long events, they are what the text is worth', () => {
    const isNear = (estimated: number, tokens: number) => expect(Math.abs(estimated / tokens - 1)).toBeLessThan(0.1)
    const words = 'The quick brown fox jumps over the lazy dog and runs away again. '
    const pieces = words.match(/\S+ /g)!
    const each = pieces.reduce((sum, piece) => sum + estimateTokens(piece), 0)
    const round = pieces.map(event).join('')
    for (const rounds of [1, 3, 4, 5, 30, 500])
      isNear(estimate(opening + round.repeat(rounds), opening.length), each * rounds)
    for (const repeats of [50, 100, 130, 1_000, 5_000]) {
      const text = words.repeat(repeats)
      for (const events of [1, 7]) {
        const whole = opening + event(text).repeat(events)
        isNear(estimate(whole), estimateTokens(text) * events)
        isNear(estimate(whole, opening.length), estimateTokens(text) * events)
      }
      isNear(estimate(plain(text).slice(0, -200)), estimateTokens(text))
    }
  })

  test('what a tail begins in is no text if it is base64, numbers, or too short to tell', () => {
    const of = (tail: string) => estimateAnswerTokens({ bytes: 1_000_000, head: '{"data":[', tail })
    expect(of(`${'iVBORw0KGgo'.repeat(300)}"}]}`)).toBe(0)
    expect(of(`${'0.25,-1,'.repeat(300)}3]}]}`)).toBe(0)
    expect(of(`${'0.25,-1,'.repeat(300)}3],"index":3}]}`)).toBe(0)
    expect(of(`mpl-1","object":"x"}\n\n`)).toBe(0)
    expect(of('')).toBe(0)
    expect(estimateAnswerTokens({ bytes: 9, head: '', tail: '' })).toBe(0)
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

  test('is estimated if what upstream reported makes no sense', () => {
    const nonsense = usage.replaceAll(/\d+/g, '9007199254740991')
    const { provenance, tokens } = countTokens(answer(stream + nonsense, true))
    expect(provenance).toBe('ESTIMATED')
    expect(tokens).toMatchObject({ outputTokens: 2, cachedInputTokens: 0 })
    expect(tokens!.inputTokens).toBeLessThan(100)
  })

  test('is none where nothing has tokens', () => {
    expect(countTokens({ ...answer(usage, true), kind: 'none' })).toEqual({ provenance: 'NONE', tokens: null })
  })
})
