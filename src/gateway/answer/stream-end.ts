import { classifyStatus } from '../../routing/health/classify-outcome.ts'
import { statusOfErrorEvent } from '../protocol/stream-error.ts'
import { type EndingEvent, isDone } from '../protocol/stream-protocol.ts'
import { readEvent, type ServerSentEvent, wholeEventsLength } from '../protocol/sse.ts'

/**
 * How upstream itself ended a stream. `failed`: with an error of its own. `refused`: with one that the client caused, and that
 * must not be held against the upstream.
 */
export type StreamEnd = 'whole' | 'failed' | 'refused'

/** What the event means that ends a stream. */
export function streamEndOf(ending: EndingEvent, event: ServerSentEvent): StreamEnd {
  if (ending !== 'failed') return 'whole'
  return classifyStatus(statusOfErrorEvent(event)) === 'answer' ? 'refused' : 'failed'
}

/** What a client gets of a stream that is not passed on as it comes: no half event at its end. `isComplete`: nothing more comes. */
export function wholeEventsOf(stream: Buffer, isComplete: boolean): Buffer {
  const length = wholeEventsLength(stream)
  const isWhole = isComplete && !isHalfEvent(readEvent(stream.subarray(length)))
  return isWhole ? stream : stream.subarray(0, length)
}

/** Whether this event is JSON that breaks off. */
export function isHalfEvent(event: ServerSentEvent): boolean {
  const { data, json } = event
  if (data === undefined || json || isDone(event) || !/^\s*[{[]/.test(data)) return false
  try {
    JSON.parse(data)
    return false
  } catch {
    return true
  }
}
