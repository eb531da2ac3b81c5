import type { ReportedUnits } from '../../routing/usage/reported-units.ts'
import type { ServerSentEvent } from './sse.ts'
import type { Json } from './event-json.ts'
import type { ShapeOfObject } from './json-scan.ts'

/**
 * `nothing`: held back until there is more; `content`: the answer has begun; `error`: upstream failed instead; `over`: it ended the
 * stream without either.
 */
export type OpeningEvent = 'nothing' | 'content' | 'error' | 'over'

/** `whole`, `failed`: nothing of interest comes behind this event. `perhaps`: it was the last one unless another follows. */
export type EndingEvent = 'whole' | 'failed' | 'perhaps'

/** What the answers to an operation mean: all that the gateway has to know of a protocol. */
export interface StreamProtocol {
  /** What an event says as long as none with content came. */
  readOpening(event: ServerSentEvent): OpeningEvent
  /** Begins to follow one stream. */
  follow(): StreamFollower
  /** What of an event, or of a plain answer, has to be known if it is too long to be kept. */
  readonly shape: ShapeOfObject
  /** Where the tokens of an answer are reported, in an event or in a plain answer; undefined: it reports none. */
  findUsage(json: Json): Json | undefined
  /** What answers say that they took besides tokens; undefined: none does. */
  readonly units?: UnitsOfAnswer
  /** The service tier that the first bytes of a stream name, which its usage then need not repeat; undefined: they are no answer's. */
  readonly serviceTierOfBeginning?: (head: string) => string | null
  /** Whether the tokens in an event are placeholders for an answer that was not generated yet. */
  hasUsageOfBeginning(event: ServerSentEvent): boolean
  /** Whether each event has a number, also the one with which the gateway ends a stream. */
  readonly numbersEvents: boolean
  /** Whether an event is about tokens and nothing else, and would not have come if the gateway had not asked. */
  isExtraUsage(event: ServerSentEvent): boolean
}

export interface UnitsOfAnswer {
  /** What an event of this type says, or a plain answer, which has none. */
  find(json: Json, type: string): ReportedUnits
  /** Whether a plain answer has to be read for it: a cheap look. */
  mayBeIn(text: string): boolean
}

/** Reads one stream, but only those of its events in which something stands that can matter. */
export interface StreamFollower {
  /** One of them stands in each event that has to be read: a cheap look before the true one. */
  readonly marks: readonly Mark[]
  /** Whether this event ends the stream; null: it does not. */
  read(event: ServerSentEvent): EndingEvent | null
  /** Whether the stream has signalled its end as its protocol defines it, even if the last event is missing. */
  readonly hasToldEnd: boolean
  /** Whether a stream that has signalled its end was complete although it broke off in this event. */
  mayEndBefore(half: string): boolean
  /** Whether a stream without a signalled end that the upstream closed normally was complete, by its first and last bytes. */
  mayEndWith(text: string): boolean
}

export interface Mark {
  readonly text: string
  /** Whether it matters, by what follows it at `end`; undefined: always. The text is in Latin-1. */
  readonly matters?: (events: string, end: number) => boolean
  /** Whether it is looked for by now; undefined: always. */
  readonly isWanted?: () => boolean
}

/** In the name of each count of tokens. Short texts that begin with a rare letter are found for half of the time. */
export const countMark: Mark = { text: '_tok', matters: (events, end) => events.startsWith('ens"', end) }
/** In whatever tells an error. */
export const errorMark: Mark = { text: 'rror' }

/** Events that only keep the connection open. */
export const heartbeats: ReadonlySet<unknown> = new Set(['ping', 'keepalive'])

/** Whether there is nothing in it for anybody, whatever its name is. */
export function isBlank({ data }: ServerSentEvent): boolean {
  return data === undefined || !/\S/.test(data)
}

/** The last event of most streams, in which there is no JSON. */
export function isDone({ data }: ServerSentEvent): boolean {
  return data !== undefined && data.length < 16 && data.trim() === '[DONE]'
}
