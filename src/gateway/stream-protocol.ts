/**
 * What the events of a stream mean, by operation.
 *
 * Chat completions: https://platform.openai.com/docs/api-reference/chat-streaming. Messages:
 * https://docs.anthropic.com/en/docs/build-with-claude/streaming. Responses:
 * https://platform.openai.com/docs/api-reference/responses-streaming.
 */
import type { Operation } from '../routing/operation.ts'
import { isObject, type Json, readJson, saysSomething, typeOf } from './event-json.ts'
import type { ServerSentEvent } from './sse.ts'

/**
 * `nothing`: held back until there is more; `content`: the answer has begun; `error`: upstream failed instead; `over`: it ended the
 * stream without either.
 */
export type OpeningEvent = 'nothing' | 'content' | 'error' | 'over'

export interface StreamProtocol {
  /** What an event says as long as none with content came. */
  readonly readOpening: (event: ServerSentEvent) => OpeningEvent
  /** Whether this event ends the stream, `failed` being upstream's own error: what comes behind it is of no interest to a client. */
  readonly readEnd: (event: ServerSentEvent) => 'whole' | 'failed' | null
  /** One of them stands in each event that ends a stream: a cheap look before the true one. */
  readonly endMarks: readonly Buffer[]
  /** Whether a stream that upstream closed in good order without its last event was whole, by its first and last bytes. */
  readonly mayEndWith: (text: string) => boolean
}

/** Events that only keep the connection open. */
const heartbeats: ReadonlySet<unknown> = new Set(['ping', 'keepalive'])

/** Whether there is nothing in it for anybody, whatever its name is. */
function isBlank({ data }: ServerSentEvent): boolean {
  return data === undefined || !/\S/.test(data)
}

function readCompletionOpening(event: ServerSentEvent): OpeningEvent {
  if (event.data === undefined) return 'nothing'
  if (event.type === 'error') return 'error'
  if (isBlank(event) || heartbeats.has(event.type)) return 'nothing'
  if (isDone(event)) return 'over'
  const chunk = readJson(event)
  if (!chunk) return 'content'
  if (saysSomething(chunk['error'])) return 'error'
  if (heartbeats.has(chunk['type'])) return 'nothing'
  const choices: unknown = chunk['choices']
  if (!Array.isArray(choices)) return 'content'
  return choices.some((choice) => isObject(choice) && hasContent(choice)) ? 'content' : 'nothing'
}

function hasContent(choice: Json): boolean {
  if (saysSomething(choice['text']) || saysSomething(choice['finish_reason'])) return true
  const delta = choice['delta']
  return isObject(delta) && Object.entries(delta).some(([name, value]) => name !== 'role' && saysSomething(value))
}

/** The last event of most streams, in which there is no JSON. */
export function isDone({ data }: ServerSentEvent): boolean {
  return data !== undefined && data.length < 16 && data.trim() === '[DONE]'
}

function readDoneOrError(event: ServerSentEvent): 'whole' | 'failed' | null {
  if (isDone(event)) return 'whole'
  return event.type === 'error' || saysSomething(readJson(event)?.['error']) ? 'failed' : null
}

/** By what was said of it last: where there are several choices, one may have finished long before the others. */
function hasFinished(text: string): boolean {
  const last = [...text.matchAll(/"finish_reason"\s*:\s*(null|"[^"]*")/g)].at(-1)?.[1]
  return last !== undefined && last !== 'null' && last !== '""'
}

function marks(...texts: readonly string[]): readonly Buffer[] {
  return texts.map((text) => Buffer.from(text))
}

const completions: StreamProtocol = {
  readOpening: readCompletionOpening,
  readEnd: readDoneOrError,
  endMarks: marks('[DONE]', 'error'),
  // Some servers leave `[DONE]` out.
  mayEndWith: hasFinished,
}

/** What is thought or written follows piece by piece; the beginning of other blocks, e.g. a tool's name, is content. */
function isEmptyBlock(block: Json): boolean {
  if (block['type'] !== 'text' && block['type'] !== 'thinking') return false
  return !['text', 'thinking', 'signature'].some((name) => saysSomething(block[name]))
}

const messages: StreamProtocol = {
  readOpening: (event) => {
    const type = typeOf(event)
    if (type === 'error') return 'error'
    if (isBlank(event) || heartbeats.has(type) || type === 'message_start') return 'nothing'
    if (type !== 'content_block_start') return 'content'
    const block = readJson(event)?.['content_block']
    return isObject(block) && isEmptyBlock(block) ? 'nothing' : 'content'
  },
  readEnd: (event) => {
    const type = typeOf(event)
    return type === 'error' ? 'failed' : type === 'message_stop' ? 'whole' : null
  },
  endMarks: marks('message_stop', 'error'),
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
const responseEnds: ReadonlyMap<string, 'whole' | 'failed'> = new Map([
  ['response.completed', 'whole'],
  ['response.incomplete', 'whole'],
  ['response.failed', 'failed'],
  ['error', 'failed'],
])

const responses: StreamProtocol = {
  readOpening: (event) => {
    if (event.data === undefined) return 'nothing'
    const type = typeOf(event)
    if (type === 'error' || type === 'response.failed') return 'error'
    return isBlank(event) || heartbeats.has(type) || preludes.has(type) ? 'nothing' : 'content'
  },
  readEnd: (event) => responseEnds.get(typeOf(event)) ?? null,
  endMarks: marks(...responseEnds.keys()),
  mayEndWith: () => false,
}

const lastType = /\.(?:completed|done)$/
const partialEvent = /(?:^event: ?|"type"\s*:\s*")[\w.-]+\.(?:partial_image|delta)\b/m
/** An event that ends the stream. Of a long one that names its type late, the end was not seen. */
const lastEvent = /"type"\s*:\s*"[\w.-]+\.(?:completed|done)"/
/** With all of its lines. */
const emptyLine = /[\r\n]{2}$/

/**
 * Transcription, speech and images: their own event types, or chunks that end with `[DONE]`.
 *
 * https://platform.openai.com/docs/api-reference/images-streaming, …/docs/api-reference/audio.
 */
const others: StreamProtocol = {
  readOpening: (event) => {
    if (event.data === undefined) return 'nothing'
    if (readDoneOrError(event) === 'failed') return 'error'
    if (isDone(event)) return 'over'
    return isBlank(event) || heartbeats.has(typeOf(event)) ? 'nothing' : 'content'
  },
  readEnd: (event) => (lastType.test(typeOf(event)) ? 'whole' : readDoneOrError(event)),
  endMarks: marks('[DONE]', 'error', '.completed', '.done'),
  // Where no event has said that it is a part, nobody knows what the last one would be.
  mayEndWith: (text) => !partialEvent.test(text) || (emptyLine.test(text) && lastEvent.test(text)),
}

export function streamProtocolOf(operation: Operation): StreamProtocol {
  if (operation.stream === 'choices') return completions
  if (operation.protocol === 'anthropic') return messages
  return operation.path === '/v1/responses' ? responses : others
}
