import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { UsageKind } from '../../src/routing/operation.ts'
import { countTokens } from '../../src/routing/usage-count.ts'
import {
  estimateAnswerTokens,
  estimatePromptTokens,
  estimateTokens,
  estimateTypedStreamTokens,
} from '../../src/routing/usage-estimate.ts'
import { findReportedTokens } from '../../src/routing/usage-reported.ts'

const utf8 = (text: string) => Buffer.from(text).toString('latin1')

function reported(kind: UsageKind, tail: string, head = tail) {
  const isStream = !head.startsWith('{')
  const tokens = findReportedTokens(kind, { head: utf8(head), tail: utf8(tail), isStream })?.tokens ?? null
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
    expect(reported('message', tail, head)).toEqual([28, 3, 15, 0])
  })

  const isFinal = (kind: UsageKind, text: string) =>
    findReportedTokens(kind, { head: text, tail: text, isStream: true })?.isFinal
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

  test('numbers from the beginning are final in a plain answer, and not in a stream whose end has none', () => {
    const head = '{"usage":{"prompt_tokens":5,"completion_tokens":1},"choices":['
    const of = (isStream: boolean) => findReportedTokens('completion', { head, tail: '"}}]}', isStream })
    expect(of(false)).toMatchObject({ isFinal: true, tokens: { outputTokens: 1 } })
    expect(of(true)).toMatchObject({ isFinal: false, tokens: { outputTokens: 1 } })
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

  test('many objects that have no end are not all looked at', () => {
    const usage = '{"usage":{"prompt_tokens":5}'
    expect(reported('completion', usage + ',"usage":{'.repeat(9))).toEqual([5, 0, 0, 0])
    expect(reported('completion', usage + ',"usage":{'.repeat(1_000))).toBeNull()
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
        fc.constantFrom<UsageKind>('completion', 'inputOutput', 'message', 'input'),
        fc.boolean(),
        (head, tail, kind, isStream) => {
          const found = findReportedTokens(kind, { head, tail, isStream })
          for (const count of Object.values(found?.tokens ?? {})) expect(count).toSatisfy(Number.isSafeInteger)
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

  test('a prompt of tokens has as many as it says', () => {
    const words = estimatePromptTokens('{"model":"m"}')
    const some = fc.array(fc.nat(), { maxLength: 50 })
    fc.assert(
      fc.property(fc.constantFrom('input', 'prompt'), fc.array(some), fc.nat(2), (name, lists, space) => {
        const of = (value: unknown) =>
          estimatePromptTokens(JSON.stringify({ model: 'm', [name]: value }, null, space)) - words
        expect(of(lists)).toBe(lists.flat().length)
        expect(of(lists.flat())).toBe(lists.flat().length)
      }),
    )
    expect(estimatePromptTokens('{"dimensions":512,"input":"one"}')).toBe(1)
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

describe('what is said several times was written once', () => {
  const words = Array.from({ length: 60 }, (_, i) => `word${i % 7} `)
  const text = words.join('')
  const whole = (answer: string) => ({ bytes: answer.length, head: '', tail: answer })
  const typed = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
  const part = { type: 'output_text', text }
  const item = { type: 'message', content: [part] }
  const deltas = words
    .map((delta) => typed('response.output_text.delta', { item_id: 'msg_0', output_index: 0, content_index: 0, delta }))
    .join('')
  const repeats = [
    typed('response.output_text.done', { text }),
    typed('response.content_part.done', { part }),
    typed('response.output_item.done', { item }),
    typed('response.completed', { response: { output: [item], usage: null } }),
  ]
  const each = words.reduce((sum, word) => sum + estimateTokens(word), 0)

  test('in a response, whichever of the events that repeat its text came', () => {
    for (let count = 0; count <= repeats.length; count++)
      expect(estimateTypedStreamTokens(whole(deltas + repeats.slice(0, count).join('')))).toBe(each)
    for (let count = 1; count <= repeats.length; count++)
      expect(estimateTypedStreamTokens(whole(repeats.slice(0, count).join('')))).toBe(estimateTokens(text))
  })

  test('in a long response, of which only the ends are known', () => {
    for (const count of [100, 1000]) {
      const parts = repeats.map((event) => event.replaceAll(text, text.repeat(count)))
      const stream = typed('response.created', { response: { instructions: text } }) + deltas.repeat(count)
      for (const answer of [stream, stream + parts[0], stream + parts.join('')]) {
        const kept = { bytes: answer.length, head: answer.slice(0, 4096), tail: answer.slice(4096).slice(-16_384) }
        expect(Math.abs(estimateTypedStreamTokens(kept) / (each * count) - 1)).toBeLessThan(0.2)
      }
    }
  })

  test('in typed events without any of OpenAI names, or without a delta of text', () => {
    const chunk = 'data: {"choices":[{"delta":{"content":"some words"}}]}\n\n'
    expect(estimateTypedStreamTokens(whole(chunk.repeat(9)))).toBe(9 * estimateTokens('some words'))
    expect(estimateTypedStreamTokens(whole(typed('image_generation.completed', { b64_json: 'iVBORw0' })))).toBe(0)
  })

  test('under two names in a row', () => {
    const twice = (delta: object) => `data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`
    const of = (write: (word: string) => object) =>
      estimateAnswerTokens(whole(words.map((word) => twice(write(word))).join('')))
    expect(of((reasoning) => ({ reasoning, reasoning_content: reasoning }))).toBe(each)
    expect(of((reasoning) => ({ content: '', reasoning, reasoning_details: [{ text: reasoning }] }))).toBe(each)
    // The same again under the same name was written again.
    expect(of(() => ({ content: 'no ' }))).toBe(60 * estimateTokens('no '))
  })

  test('in the segments of a transcript, wherever they stand', () => {
    const segments = words.map((word, id) => ({ id, text: word, tokens: [1, [2]] }))
    const of = (answer: object) => estimateAnswerTokens(whole(JSON.stringify(answer)))
    expect(of({ text, segments, language: 'en' })).toBe(estimateTokens(text))
    expect(of({ segments, text })).toBe(estimateTokens(text))
    const cut = JSON.stringify({ text, segments })
    expect(estimateAnswerTokens(whole(cut.slice(0, -200)))).toBe(estimateTokens(text))
  })
})

describe('the count of a request', () => {
  const stream = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
  const usage = 'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n'
  const answer = (text: string, isWhole: boolean) => ({
    kind: 'completion' as const,
    isStream: true,
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

  test('has an output that is estimated if only its beginning was reported', () => {
    const begin = 'data: {"usage":{"prompt_tokens":5,"completion_tokens":0},"choices":[]}\n\n'
    expect(countTokens(answer(begin + stream, true))).toMatchObject({
      provenance: 'ESTIMATED',
      tokens: { inputTokens: 5, outputTokens: 2 },
    })
  })

  test('has no output where a model writes nothing', () => {
    const ranked = '{"results":[{"document":{"text":"A document of the request"}}]}'
    const { tokens } = countTokens({ ...answer(ranked, true), kind: 'input', isStream: false })
    expect(tokens).toMatchObject({ outputTokens: 0 })
    expect(tokens!.inputTokens).toBeGreaterThan(0)
  })

  test('is none where nothing has tokens', () => {
    expect(countTokens({ ...answer(usage, true), kind: 'none' })).toEqual({ provenance: 'NONE', tokens: null })
  })
})
