/** Anthropic's messages (https://docs.anthropic.com/en/docs/build-with-claude/streaming). */
import type { ServerSentEvent } from './sse.ts'
import { isObject, type Json, saysSomething } from './event-json.ts'
import { isErrorEvent } from './find-error.ts'
import { shapeOf } from './json-scan.ts'
import {
  countMark,
  type EndingEvent,
  errorMark,
  heartbeats,
  isBlank,
  type Mark,
  type StreamFollower,
  type StreamProtocol,
} from './stream-protocol.ts'

export const messages: StreamProtocol = {
  readOpening(event) {
    const { name } = event
    if (isErrorEvent(event)) return 'error'
    if (isBlank(event) || heartbeats.has(name) || name === 'message_start') return 'nothing'
    if (name !== 'content_block_start') return 'content'
    const block = event.json?.['content_block']
    return isObject(block) && isEmptyBlock(block) ? 'nothing' : 'content'
  },
  follow: () => new MessageFollower(),
  shape: shapeOf({
    type: 'value',
    error: 'value',
    usage: 'value',
    delta: shapeOf({ stop_reason: 'value' }),
    message: shapeOf({ usage: 'value' }),
  }),
  findUsage({ usage, message }) {
    if (isObject(usage)) return usage
    return isObject(message) && isObject(message['usage']) ? message['usage'] : undefined
  },
  numbersEvents: false,
  // The output tokens in the first event are a placeholder for the coming output.
  hasUsageOfBeginning: (event) => event.name === 'message_start',
  isExtraUsage: () => false,
}

/** Text and reasoning follow in pieces; the beginning of other blocks, e.g. a tool's name, is content itself. */
function isEmptyBlock(block: Json): boolean {
  if (block['type'] !== 'text' && block['type'] !== 'thinking') return false
  return !['text', 'thinking', 'signature'].some((name) => saysSomething(block[name]))
}

const marks: readonly Mark[] = [{ text: 'message_stop' }, { text: 'stop_reason"' }, errorMark, countMark]

/** A message is complete with `message_stop` or a `stop_reason`. */
class MessageFollower implements StreamFollower {
  readonly marks = marks
  hasToldEnd = false

  read(event: ServerSentEvent): EndingEvent | null {
    if (isErrorEvent(event)) return 'failed'
    if (event.name === 'message_stop') return 'whole'
    const delta = event.json?.['delta']
    this.hasToldEnd ||= isObject(delta) && saysSomething(delta['stop_reason'])
    return null
  }

  mayEndBefore(): boolean {
    return true
  }

  mayEndWith(): boolean {
    return this.hasToldEnd
  }
}
