/**
 * What the events of a stream mean, by operation.
 *
 * Chat completions: https://platform.openai.com/docs/api-reference/chat-streaming. Messages:
 * https://docs.anthropic.com/en/docs/build-with-claude/streaming. Responses:
 * https://platform.openai.com/docs/api-reference/responses-streaming.
 */
import type { ServerSentEvent } from './sse.ts'

/** `nothing`: held back until there is more; `content`: the answer has begun; `error`: upstream failed instead. */
export type OpeningEvent = 'nothing' | 'content' | 'error'

export interface StreamProtocol {
  /** What an event says as long as none with content came. */
  readonly readOpening: (event: ServerSentEvent) => OpeningEvent
  /** Whether this event ends the stream: what comes behind it is of no interest to a client. */
  readonly isEnd: (event: ServerSentEvent) => boolean
  /** Bytes that stand in the last 100 of an event that `isEnd`: a cheap look before the true one. Null: at its beginning. */
  readonly endMark: string | null
  /** Whether a stream that upstream closed in good order without its last event was whole, by its last bytes. */
  readonly mayEndWith: (tail: string) => boolean
}

type Json = Readonly<Record<string, unknown>>

function parse(event: ServerSentEvent): Json | undefined {
  try {
    const value: unknown = JSON.parse(event.data ?? '')
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Null, an empty string and an empty list say nothing. */
function saysSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return false
  return Array.isArray(value) ? value.length > 0 : true
}

function readCompletionOpening(event: ServerSentEvent): OpeningEvent {
  if (event.data === undefined) return 'nothing'
  const chunk = parse(event)
  if (!chunk) return 'content'
  if (event.type === 'error' || saysSomething(chunk['error'])) return 'error'
  const choices: unknown = chunk['choices']
  if (!Array.isArray(choices)) return 'content'
  return choices.some((choice) => isObject(choice) && hasContent(choice)) ? 'content' : 'nothing'
}

function hasContent(choice: Json): boolean {
  if (saysSomething(choice['text']) || saysSomething(choice['finish_reason'])) return true
  const delta = choice['delta']
  return isObject(delta) && Object.entries(delta).some(([name, value]) => name !== 'role' && saysSomething(value))
}

const completions: StreamProtocol = {
  readOpening: readCompletionOpening,
  isEnd: (event) => event.data === '[DONE]',
  endMark: '[DONE]',
  // Some servers leave `[DONE]` out.
  mayEndWith: (tail) => /"finish_reason"\s*:\s*"/.test(tail),
}

const messages: StreamProtocol = {
  readOpening: (event) => {
    const type = event.type || String(parse(event)?.['type'])
    if (type === 'error') return 'error'
    if (event.data === undefined || type === 'ping' || type === 'message_start') return 'nothing'
    if (type !== 'content_block_start') return 'content'
    const block = parse(event)?.['content_block']
    return isObject(block) && block['type'] === 'text' && !saysSomething(block['text']) ? 'nothing' : 'content'
  },
  isEnd: (event) => (event.type || parse(event)?.['type']) === 'message_stop',
  endMark: 'message_stop',
  mayEndWith: () => false,
}

const preludes = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
  'response.output_item.added',
  'response.content_part.added',
  'response.reasoning_summary_part.added',
])
const responseEnds = new Set(['response.completed', 'response.failed', 'response.incomplete', 'error'])

const responses: StreamProtocol = {
  readOpening: (event) => {
    if (event.data === undefined) return 'nothing'
    const type = event.type || String(parse(event)?.['type'])
    if (type === 'error' || type === 'response.failed') return 'error'
    return preludes.has(type) ? 'nothing' : 'content'
  },
  isEnd: (event) => responseEnds.has(event.type || String(parse(event)?.['type'])),
  endMark: null,
  mayEndWith: () => false,
}

/** Streams of operations without a form of their own: speech, images. */
const others: StreamProtocol = {
  readOpening: (event) => (event.data === undefined ? 'nothing' : event.type === 'error' ? 'error' : 'content'),
  isEnd: (event) => event.data === '[DONE]',
  endMark: '[DONE]',
  mayEndWith: () => true,
}

export function streamProtocolOf(path: string): StreamProtocol {
  switch (path) {
    case '/v1/chat/completions':
    case '/v1/completions':
      return completions
    case '/v1/messages':
      return messages
    case '/v1/responses':
      return responses
    default:
      return others
  }
}
