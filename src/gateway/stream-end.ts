import { classifyStatus } from '../routing/classify.ts'
import { readJson } from './event-json.ts'
import { findEventEnd, readEvent, type ServerSentEvent, wholeEventsLength } from './sse.ts'
import { statusOfErrorEvent } from './stream-error.ts'
import { isDone, type StreamProtocol } from './stream-protocol.ts'

/**
 * How upstream itself ended a stream. `failed`: with an error of its own. `refused`: with one that the client caused, and that
 * must not be held against the upstream.
 */
export type StreamEnd = 'whole' | 'failed' | 'refused'

export interface FoundEnd {
  /** Where the event begins that ends the stream. */
  readonly start: number
  readonly end: StreamEnd
}

/** The first of these whole events that ends the stream; null: none does. Others may follow it. */
export function findStreamEnd(events: Buffer, protocol: StreamProtocol): FoundEnd | null {
  for (let start = firstMarked(events, protocol.endMarks); start < events.length;) {
    const next = findEventEnd(events, start)
    const stop = next < 0 ? events.length : next
    const end = streamEndOf(readEvent(events.subarray(start, stop)), protocol)
    if (end) return { start, end }
    start = stop
  }
  return null
}

/** Where the first event begins that has one of the marks in it; behind the last one if none has. */
function firstMarked(events: Buffer, marks: readonly Buffer[]): number {
  let first = events.length
  for (const mark of marks) {
    const at = events.indexOf(mark)
    if (at >= 0 && at < first) first = at
  }
  return first === events.length ? first : wholeEventsLength(events.subarray(0, first))
}

function streamEndOf(event: ServerSentEvent, protocol: StreamProtocol): StreamEnd | null {
  const end = protocol.readEnd(event)
  return end === 'failed' && classifyStatus(statusOfErrorEvent(event)) === 'answer' ? 'refused' : end
}

const namedBytes = 1024
/** A member `type` of the outermost object, behind no others than short ones. */
const ownType = /^\s*\{(?:\s*"\w+"\s*:\s*(?:"[^"\\]*"|[\w.+-]+)\s*,)*\s*"type"\s*:\s*"([\w.]+)"/

/** The same of an event that is too long to be read whole, by its first bytes: its name has to stand there. */
export function endOfLongEvent(beginning: Buffer, protocol: StreamProtocol): StreamEnd | null {
  const { type, data } = readEvent(beginning.subarray(0, namedBytes))
  const name = type || (ownType.exec(data ?? '')?.[1] ?? '')
  return streamEndOf({ type: name, data: undefined }, protocol)
}

/** Whether this beginning of an event is JSON that breaks off. */
export function isHalfEvent(rest: Buffer): boolean {
  const event = readEvent(rest)
  const { data } = event
  if (data === undefined || isDone(event) || !/^\s*[{[]/.test(data)) return false
  try {
    JSON.parse(data)
    return false
  } catch {
    return true
  }
}

/** Whether upstream ended the stream with an event that only lacks its empty line. Half an event ends nothing. */
export function isWholeEnd(rest: Buffer, protocol: StreamProtocol): boolean {
  const event = readEvent(rest)
  return (isDone(event) || readJson(event) !== undefined) && protocol.readEnd(event) === 'whole'
}
