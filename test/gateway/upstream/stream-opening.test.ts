import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type OpeningEvent, streamProtocolOf } from '../../../src/gateway/stream-protocol.ts'
import { StreamOpening } from '../../../src/gateway/upstream/stream-opening.ts'
import { findOperation } from '../../../src/routing/operation.ts'

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
  ...['\n', '\r', '\r\n', '\n\n', '\r\r', '\r\n\r\n', ': x', 'event: ping', 'event: error', 'event: x', 'data:', 'data: '],
  ...['data: {"choices":[]}', 'data: {"choices":[{"text":"\u00e9"}]}', 'data: {"error":"x"}', 'data: {"type":"ping"}'],
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
    const startedAt = performance.now()
    for (let at = 0; at < count; at++) expectNothing(opening.push(bytes.subarray(at, at + 1)))
    return performance.now() - startedAt
  }
  const best = (count: number) => Math.min(msFor(count), msFor(count))
  const few = best(50_000)
  // Each piece looked at with all that came before would be 16 times as much, and seconds.
  expect(best(200_000)).toBeLessThan(10 * Math.max(few, 30))
})

function expectNothing(meaning: OpeningEvent): void {
  if (meaning !== 'nothing') throw new Error(meaning)
}
