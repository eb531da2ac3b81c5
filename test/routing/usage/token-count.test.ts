import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { completions } from '../../../src/gateway/protocol/completions.ts'
import { StreamReading } from '../../../src/gateway/answer/stream-reading.ts'
import { countTokens } from '../../../src/routing/usage/token-count.ts'
import {
  estimateAnswerTokens,
  estimatePromptTokens,
  estimateTokens,
  estimateTypedStreamTokens,
} from '../../../src/routing/usage/estimate.ts'

const utf8 = (text: string) => Buffer.from(text).toString('latin1')

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
  const reportedIn = (text: string) => {
    const reading = new StreamReading('completion', completions, false)
    reading.take(Buffer.from(text, 'latin1'))
    return { reported: reading.reportedTokens(), isReportFinal: reading.isReportFinal }
  }
  const answer = (text: string, isWhole: boolean) => ({
    kind: 'completion' as const,
    isStream: true,
    bytes: text.length,
    head: '',
    tail: text,
    isWhole,
    ...reportedIn(text),
    isText: true,
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
