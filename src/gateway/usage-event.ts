import { findEventEnd, wholeEventsLength } from './sse.ts'

const usageName = '"usage"'
/** In the name of each count, and in no other event: a search that begins with a rare byte goes by without stopping. */
const countName = Buffer.from('_tokens"')
const openBrace = 0x7b
const colon = 0x3a

/**
 * Whole events without the extra one that carries a stream's usage and no choice: the client did not ask for it, the gateway
 * did (https://platform.openai.com/docs/api-reference/chat/create#stream_options).
 */
export function withoutUsageEvent(events: Buffer): Buffer {
  if (!events.includes(countName)) return events
  let at = events.indexOf(usageName, 0, 'latin1')
  while (at >= 0) {
    if (beginsObject(events, at + usageName.length)) {
      const start = wholeEventsLength(events.subarray(0, at))
      const end = findEventEnd(events, start)
      if (end > 0 && hasNoChoice(events.subarray(start, end))) return without(events, start, end)
    }
    at = events.indexOf(usageName, at + usageName.length, 'latin1')
  }
  return events
}

function without(events: Buffer, start: number, end: number): Buffer {
  if (start === 0) return events.subarray(end)
  if (end === events.length) return events.subarray(0, start)
  return Buffer.concat([events.subarray(0, start), events.subarray(end)])
}

function beginsObject(bytes: Buffer, from: number): boolean {
  let at = skipSpace(bytes, from)
  if (bytes[at] !== colon) return false
  at = skipSpace(bytes, at + 1)
  return bytes[at] === openBrace
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from
  while (bytes[at] === 0x20 || bytes[at] === 0x09) at++
  return at
}

function hasNoChoice(event: Buffer): boolean {
  return /"choices"\s*:\s*\[\s*\]/.test(event.toString('latin1'))
}
