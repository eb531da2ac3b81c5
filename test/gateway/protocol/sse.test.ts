import { expect, test } from 'vitest'
import * as fc from 'fast-check'
import { findEventEnd, firstEventEnd, readEvent, wholeEventsLength } from '../../../src/gateway/protocol/sse.ts'
import { StreamOpening } from '../../../src/gateway/upstream/stream-opening.ts'
import { completions } from '../../../src/gateway/protocol/completions.ts'
import { StreamReading } from '../../../src/gateway/answer/stream-reading.ts'

const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
const line = fc.oneof(
  fc.constantFrom(': comment', 'event: message', 'data: {"a":1}', 'data:', 'id: 7', 'data: two', 'odd'),
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !/[\r\n]/.test(text) && text !== ''),
)
/** Events as text, with one kind of line end for all. */
const eventTexts = fc
  .tuple(lineEnd, fc.array(fc.array(line, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 }))
  .map(([end, events]) => events.map((lines) => lines.map((one) => one + end).join('') + end))

test('events are found wherever a stream is cut, with each kind of line end', () => {
  fc.assert(
    fc.property(eventTexts, fc.nat(), (texts, place) => {
      const bytes = Buffer.from(texts.join(''))
      const ends: number[] = []
      for (let end = findEventEnd(bytes, 0); end > 0; end = findEventEnd(bytes, end)) ends.push(end)
      let at = 0
      expect(ends).toEqual(texts.map((text) => (at += Buffer.byteLength(text))))
      const cut = place % (bytes.length + 1)
      const whole = ends.findLast((end) => end <= cut) ?? 0
      const found = wholeEventsLength(bytes.subarray(0, cut))
      // Between a carriage return and its line feed the event may be taken for whole: the line feed is then an empty line.
      expect([whole, bytes[cut] === 0x0a && bytes[cut - 1] === 0x0d ? cut : whole]).toContain(found)
    }),
    { numRuns: 1000 },
  )
})

test('the end of an event is found without its beginning, as long as the empty line is all there', () => {
  fc.assert(
    fc.property(eventTexts, fc.nat(), (texts, place) => {
      const bytes = Buffer.from(texts.join(''))
      const end = Buffer.byteLength(texts[0]!)
      const cut = place % (end - 2)
      expect(cut + firstEventEnd(bytes.subarray(cut))).toBe(end)
    }),
    { numRuns: 1000 },
  )
})

test('an event is read as the standard says', () => {
  const read = (text: string) => readEvent(Buffer.from(text))
  expect(read('data: a\ndata:b\ndata:  c\n\n')).toEqual({ type: '', data: 'a\nb\n c' })
  expect(read(': x\r\nevent: ping\r\ndata\r\n\r\n')).toEqual({ type: 'ping', data: '' })
  expect(read(': only a comment\n\n')).toEqual({ type: '', data: undefined })
})

/** What a client gets of events who did not ask for the usage. */
function drop(text: string): string {
  const events = Buffer.from(text)
  const read = new StreamReading('completion', completions, true).take(events)
  return read ? Buffer.concat([...read.before, ...read.after]).toString() : text
}

test('the first content of a stream is found at the same event wherever it is cut', () => {
  const bytes = Buffer.from(
    [
      ': warming up — please wait ✓\r\n\r\n',
      'data: {"choices":[],"prompt_filter_results":[]}\r\n\r\n',
      'data: {"choices":[{"delta":{"role":"assistant",\r\ndata: "content":""}}]}\r\n\r\n',
      'data: {"choices":[{"delta":{"content":"h\u00e9"}}]}\r\n\r\n',
    ].join(''),
  )
  for (let cut = 0; cut <= bytes.length; cut++) {
    const opening = new StreamOpening(completions)
    const meanings = [bytes.subarray(0, cut), bytes.subarray(cut)].map((piece) => opening.push(piece))
    // At a carriage return that ends the last line, the event may be whole already.
    expect({ cut, meanings }).toEqual({ cut, meanings: cut < bytes.length - 1 ? ['nothing', 'content'] : meanings })
    expect(meanings).toContain('content')
  }
})

test('events with the usage and no choice are left out, and nothing else', () => {
  const a = 'data: {"choices":[{"delta":{"content":"a"}}],"usage":null}\n\n'
  const done = 'data: [DONE]\n\n'
  const usage = [
    '{"choices":[],"usage":{"prompt_tokens":1}}',
    '{"usage" : {"x":{}, "total_tokens": 1}, "choices" : [ ]}',
    '{"choices": [\ndata: ],\ndata: "usage":\ndata: {"prompt_tokens": 1\ndata: }}',
  ]
  for (const extra of usage) {
    const event = `data: ${extra}\n\n`
    expect(drop(event)).toBe('')
    expect(drop(a + event.slice(0, -1))).toBe(a)
    expect(drop(a + event.slice(0, -2))).toBe(a)
    expect(drop(a + event + done)).toBe(a + done)
    expect(drop(event + done)).toBe(done)
    expect(drop(a + event)).toBe(a)
    expect(drop(event + event + a + event + event + done)).toBe(a + done)
  }
  const kept = [
    a,
    'data: {"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n',
    'data: {"choices":[],"usage":null}\n\n',
    'data: {"choices":[{"delta":{"content":"\\"choices\\":[],\\"usage\\":{}"}}]}\n\n',
  ]
  for (const event of kept) expect(drop(event + done)).toBe(event + done)
})

test('events with the usage are left out behind empty lines too', () => {
  const a = 'data: {"choices":[{"delta":{"content":"a"}}],"x":{"queue_tokens":1}}\n\n'
  const usage = 'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
  for (const blank of ['\n', '\r\n', '\r', '\n\r', '\n\n\n', '\r\n\r\n\r\n']) {
    expect(drop(blank + usage)).toBe(blank)
    expect(drop(blank + a + blank + usage + blank + usage)).toBe(blank + a + blank + blank)
    expect(drop(blank + a)).toBe(blank + a)
  }
})
