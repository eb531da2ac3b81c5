/** OpenAI's responses (https://platform.openai.com/docs/api-reference/responses-streaming). */
import type { ServerSentEvent } from './sse.ts'
import { isObject } from './event-json.ts'
import { isErrorEvent } from './find-error.ts'
import { shapeOf } from './json-scan.ts'
import {
  countMark,
  type EndingEvent,
  errorMark,
  heartbeats,
  isBlank,
  type Mark,
  type StreamProtocol,
} from './stream-protocol.ts'

const preludes: ReadonlySet<string> = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
  'response.output_item.added',
  'response.content_part.added',
  'response.reasoning_summary_part.added',
])

const ends: ReadonlyMap<string, EndingEvent> = new Map([
  ['response.completed', 'whole'],
  ['response.incomplete', 'whole'],
  ['response.cancelled', 'whole'],
  ['response.failed', 'failed'],
])

const marks: readonly Mark[] = [
  { text: '.completed' },
  { text: '.incomplete' },
  { text: '.cancelled' },
  { text: '.failed' },
  errorMark,
  countMark,
]

function isFailure(event: ServerSentEvent): boolean {
  return ends.get(event.name) === 'failed' || isErrorEvent(event)
}

function read(event: ServerSentEvent): EndingEvent | null {
  return isFailure(event) ? 'failed' : (ends.get(event.name) ?? null)
}

export const responses: StreamProtocol = {
  readOpening(event) {
    if (event.data === undefined) return 'nothing'
    const { name } = event
    if (isFailure(event)) return 'error'
    return isBlank(event) || heartbeats.has(name) || preludes.has(name) ? 'nothing' : 'content'
  },
  // Each of these streams ends with an event of its own, and with nothing else.
  follow: () => ({ marks, read, hasToldEnd: false, mayEndBefore: () => false, mayEndWith: () => false }),
  shape: shapeOf({
    type: 'value',
    code: 'value',
    usage: 'value',
    service_tier: 'value',
    error: 'value',
    sequence_number: 'value',
    response: shapeOf({ usage: 'value', service_tier: 'value', error: 'value', status: 'value' }),
  }),
  findUsage({ usage, response }) {
    if (isObject(usage)) return usage
    return isObject(response) && isObject(response['usage']) ? response['usage'] : undefined
  },
  numbersEvents: true,
  hasUsageOfBeginning: () => false,
  isExtraUsage: () => false,
}
