/**
 * What the events of a stream mean, by operation.
 *
 * Chat completions: https://platform.openai.com/docs/api-reference/chat-streaming. Messages:
 * https://docs.anthropic.com/en/docs/build-with-claude/streaming. Responses:
 * https://platform.openai.com/docs/api-reference/responses-streaming.
 */
import type { Operation } from '../routing/operation.ts'
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

/** Transcription, speech and images: their own event types, or chunks that end with `[DONE]`. */
const others: StreamProtocol = {
  readOpening: (event) => {
    if (event.data === undefined) return 'nothing'
    return event.type === 'error' || saysSomething(parse(event)?.['error']) ? 'error' : 'content'
  },
  isEnd: (event) => event.data === '[DONE]',
  endMark: '[DONE]',
  mayEndWith: () => true,
}

export function streamProtocolOf(operation: Operation): StreamProtocol {
  if (operation.stream === 'choices') return completions
  if (operation.protocol === 'anthropic') return messages
  return operation.path === '/v1/responses' ? responses : others
}

/** The status that an error event names, as if it had come instead of the stream; 500 if it names none. */
export function statusOfErrorEvent(event: ServerSentEvent): number {
  const value = parse(event)
  const error = value?.['error']
  const codes = isObject(error) ? [error['code'], error['status'], error['type']] : [value?.['code']]
  for (const code of codes) {
    const status = namedStatuses[String(code)] ?? Number(code)
    if (Number.isInteger(status) && status >= 400 && status < 600) return status
  }
  return 500
}

/** https://docs.anthropic.com/en/api/errors, https://platform.openai.com/docs/guides/error-codes. */
const namedStatuses: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  overloaded_error: 529,
}
