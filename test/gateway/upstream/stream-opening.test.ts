import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { streamProtocolOf } from '../../../src/gateway/protocol/protocol-of.ts'
import type { OpeningEvent } from '../../../src/gateway/protocol/stream-protocol.ts'
import { StreamOpening } from '../../../src/gateway/upstream/stream-opening.ts'
import { findOperation } from '../../../src/routing/vendors/operation.ts'

const protocolAt = (path: string) => streamProtocolOf(findOperation(path)!)
const paths = ['/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1/images/generations']

interface Opened {
  readonly meaning: OpeningEvent
  readonly error: string | undefined
}

/** What a stream begins with, as far as these pieces go. */
function open(path: string, pieces: readonly Buffer[]): Opened {
  const opening = new StreamOpening(protocolAt(path))
  let meaning: OpeningEvent = 'nothing'
  for (const piece of pieces) if (meaning === 'nothing') meaning = opening.push(piece)
  if (meaning === 'nothing') opening.end()
  return { meaning: opening.errorEvent ? 'error' : meaning, error: opening.errorEvent?.data }
}

const openText = (path: string, text: string) => open(path, [Buffer.from(text)]).meaning

/** Cuts bytes at the given places, whatever they are. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length))
}

const part = fc.constantFrom(
  '\n',
  '\r',
  '\r\n',
  '\n\n',
  '\r\r',
  '\r\n\r\n',
  ': x',
  'event: ping',
  'event: error',
  'event: x',
  'data:',
  'data: ',
  'data: {"choices":[]}',
  'data: {"choices":[{"text":"\u00e9"}]}',
  'data: {"error":"x"}',
  'data: {"type":"ping"}',
)

test('a stream begins the same wherever it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 14 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.constantFrom(...paths),
      (parts, places, path) => {
        const bytes = Buffer.from(parts.join(''))
        const whole = open(path, [bytes])
        expect(open(path, cut(bytes, places))).toEqual(whole)
        expect(open(path, cut(bytes, Array.from(bytes.keys())))).toEqual(whole)
      },
    ),
    { numRuns: 3_000 },
  )
})

test.each([
  ['without a line end', 'data: ', 'x'],
  ['that are short lines', '', ': x\n'],
  ['that are line ends', '', '\n'],
  ['that end in a carriage return', 'data:\r\n', 'x\r\n'],
  ['that are lines of one event', '', 'data: x\r'],
])('bytes %s, each in a packet of its own, cost no more than their number', (_, begin, repeated) => {
  const msFor = (count: number) => {
    const bytes = Buffer.from(begin + repeated.repeat(Math.ceil(count / repeated.length)))
    const opening = new StreamOpening(protocolAt('/v1/chat/completions'))
    const before = process.threadCpuUsage()
    for (let at = 0; at < count; at++) expectNothing(opening.push(bytes.subarray(at, at + 1)))
    // Of this thread alone: a busy machine takes its time, and not its work.
    return process.threadCpuUsage(before).user / 1000
  }
  const best = (count: number) => Math.min(msFor(count), msFor(count))
  const few = best(50_000)
  // Each piece looked at with all that came before would be 16 times as much, and seconds.
  expect(best(200_000)).toBeLessThan(10 * Math.max(few, 30))
})

function expectNothing(meaning: OpeningEvent): void {
  if (meaning !== 'nothing') throw new Error(meaning)
}

const [chat, messages, responses, images] = paths as [string, string, string, string]
const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const blockStart = (content_block: object) =>
  `event: content_block_start\n${data({ type: 'content_block_start', index: 0, content_block })}`

test.each<[string, string, string]>([
  ...paths.flatMap((path): [string, string, string][] => [
    [path, 'a keepalive', 'event: keepalive\ndata: {"type":"keepalive","sequence_number":1}\n\n'],
    [path, 'a keepalive without a name', data({ type: 'keepalive', sequence_number: 1 })],
    [path, 'a ping', 'event: ping\ndata: {"type": "ping"}\n\n'],
    [path, 'empty data', 'data:\n\ndata\n\ndata: \n\ndata:   \ndata:\n\n'],
    [path, 'empty data with a name', 'event: x\ndata:\n\n'],
  ]),
  [messages, 'an empty thought', blockStart({ type: 'thinking', thinking: '' })],
  [messages, 'an empty thought that is not signed', blockStart({ type: 'thinking', thinking: '', signature: '' })],
  [messages, 'an empty text', blockStart({ type: 'text', text: '' })],
])('%s: %s is no content yet', (path, _, text) => {
  expect(openText(path, text)).toBe('nothing')
})

test.each([chat, images])('%s: a byte order mark hides no content', (path) => {
  expect(openText(path, `\uFEFF${data({ choices: [{ delta: { content: 'x' } }] })}`)).toBe('content')
})

test.each([chat, images])('%s: a stream that says its end before any content is over', (path) => {
  const empty = data({ choices: [{ delta: { role: 'assistant', content: '' }, finish_reason: null }] })
  const done = 'data: [DONE]\n\n'
  expect(openText(path, done)).toBe('over')
  expect(openText(chat, empty + done)).toBe('over')
})

test.each<[string, string, string]>([
  [messages, 'a thought', blockStart({ type: 'thinking', thinking: 'Hm' })],
  [messages, 'a signature', blockStart({ type: 'thinking', thinking: '', signature: 'c2ln' })],
  [messages, 'a thought that may not be read', blockStart({ type: 'redacted_thinking', data: 'x' })],
  [messages, 'a tool', blockStart({ type: 'tool_use', id: 'x', name: 'y', input: {} })],
  [chat, 'content beside an error that is false', data({ error: false, choices: [{ delta: { content: 'x' } }] })],
  [images, 'content beside an error that is false', data({ error: false, b64_json: 'x' })],
  [chat, 'a list without an error', data([{ choices: [] }])],
])('%s: %s is content', (path, _, text) => {
  expect(openText(path, text)).toBe('content')
})

test.each<[string, string, string]>([
  [chat, 'an error in a list', data([{ error: { code: 503, message: 'x', status: 'UNAVAILABLE' } }])],
  [images, 'an error in a list', data([{ error: { code: 503, message: 'x', status: 'UNAVAILABLE' } }])],
  [chat, 'an error event without data', 'event: error\ndata:\n\n'],
  [messages, 'an error behind a thought', blockStart({ type: 'thinking', thinking: '' }) + data({ type: 'error' })],
  [responses, 'an error behind a keepalive', data({ type: 'keepalive' }) + data({ type: 'error' })],
])('%s: %s is an error', (path, _, text) => {
  expect(openText(path, text)).toBe('error')
})
