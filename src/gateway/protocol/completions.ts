/** Chat completions and completions (https://platform.openai.com/docs/api-reference/chat-streaming). */
import { readEvent, type ServerSentEvent } from './sse.ts'
import { isObject, type Json, saysSomething } from './event-json.ts'
import { isErrorEvent } from './find-error.ts'
import { shapeOf } from './json-scan.ts'
import { findServiceTier } from './service-tier.ts'
import {
  type EndingEvent,
  errorMark,
  heartbeats,
  isBlank,
  isDone,
  type Mark,
  type OpeningEvent,
  type StreamFollower,
  type StreamProtocol,
} from './stream-protocol.ts'

export const completions: StreamProtocol = {
  readOpening(event) {
    if (event.data === undefined) return 'nothing'
    if (isErrorEvent(event)) return 'error'
    if (isBlank(event) || heartbeats.has(event.name)) return 'nothing'
    if (isDone(event)) return 'over'
    return event.json ? readChunkOpening(event.json) : 'content'
  },
  follow: () => new CompletionFollower(),
  shape: shapeOf({
    type: 'value',
    error: 'value',
    usage: 'value',
    service_tier: 'value',
    choices: { each: shapeOf({ index: 'value', finish_reason: 'value', usage: 'value' }) },
    x_groq: shapeOf({ usage: 'value' }),
  }),
  findUsage({ usage, x_groq: groq, choices }) {
    if (isObject(usage)) return usage
    if (isObject(groq) && isObject(groq['usage'])) return groq['usage']
    // Moonshot reports it with the choice.
    const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
    return isObject(choice) && isObject(choice['usage']) ? choice['usage'] : undefined
  },
  serviceTierOfBeginning: readServiceTier,
  numbersEvents: false,
  hasUsageOfBeginning: () => false,
  isExtraUsage(event) {
    const { json } = event
    if (!json || !isObject(json['usage']) || isErrorEvent(event)) return false
    return isWithoutChoice(json['choices'])
  },
}

/** Of the first event that names one, unless it is cut off. */
function readServiceTier(head: string): string | null {
  if (!head.includes('"service_tier"')) return null
  for (const event of head.split(/(?<=\n\n|\r\n\r\n|\r\r)/)) {
    const { json } = readEvent(Buffer.from(event, 'latin1'))
    const found = json && findServiceTier(json, undefined)
    if (found) return found
  }
  return null
}

function isWithoutChoice(choices: unknown): boolean {
  return choices === undefined || choices === null || (Array.isArray(choices) && choices.length === 0)
}

function readChunkOpening(chunk: Json): OpeningEvent {
  const { choices } = chunk
  if (Array.isArray(choices))
    return choices.some((choice) => isObject(choice) && hasContent(choice)) ? 'content' : 'nothing'
  return isWithoutChoice(choices) && isObject(chunk['usage']) ? 'nothing' : 'content'
}

/** The generated text is in `text`, in a `delta`, or, for some servers, in a `message`. */
function hasContent(choice: Json): boolean {
  if (saysSomething(choice['text']) || saysSomething(choice['finish_reason'])) return true
  return [choice['delta'], choice['message']].some(
    (part) => isObject(part) && Object.entries(part).some(([name, value]) => name !== 'role' && saysSomething(value)),
  )
}

/** A stream is whole with `[DONE]`, which some servers leave out, or once each of its choices has its reason to finish. */
class CompletionFollower implements StreamFollower {
  readonly marks: readonly Mark[] = [
    { text: 'DONE]' },
    errorMark,
    { text: 'usage"', matters: saysUsage },
    { text: '_reas', matters: saysReason },
    { text: 'index"', matters: (events, end) => this.#isOtherChoice(events, end) },
  ]
  /** By their index. Events of the first choice are not read, but seen. */
  readonly #begun = new Set<number>()
  readonly #finished = new Set<number>()

  read(event: ServerSentEvent): EndingEvent | null {
    if (isDone(event)) return 'whole'
    if (isErrorEvent(event)) return 'failed'
    const choices = event.json?.['choices']
    if (Array.isArray(choices)) for (const [at, choice] of choices.entries()) this.#readChoice(choice, at)
    return null
  }

  #readChoice(choice: unknown, at: number): void {
    if (!isObject(choice)) return
    const { index } = choice
    const number = typeof index === 'number' ? index : at
    if (this.#begun.size < maxChoices) this.#begun.add(number)
    if (saysSomething(choice['finish_reason'])) this.#finished.add(number)
  }

  get hasToldEnd(): boolean {
    if (this.#finished.size === 0) return false
    for (const choice of this.#begun) if (!this.#finished.has(choice)) return false
    return true
  }

  /** What was to come may have been the usage. */
  mayEndBefore(half: string): boolean {
    return !/"choices"\s*:\s*\[\s*\{/.test(half)
  }

  mayEndWith(): boolean {
    return this.hasToldEnd
  }

  #isOtherChoice(events: string, end: number): boolean {
    const at = behindColon(events, end)
    const isFirst = events.charCodeAt(at) === zero && !isDigit(events.charCodeAt(at + 1))
    if (isFirst) this.#begun.add(0)
    return !isFirst
  }
}

/** Most choices that are tracked; no request asks for more. */
const maxChoices = 4096
const zero = 0x30
const colon = 0x3a
const blank = 0x20
const lowerN = 0x6e
const quote = 0x22

/** False: null, as in each chunk before the last. Of an object without a single count, nobody would know it by those. */
function saysUsage(events: string, end: number): boolean {
  return events.charCodeAt(behindColon(events, end)) !== lowerN
}

const restOfName = 'on"'

/** False: null, or an empty string. */
function saysReason(events: string, end: number): boolean {
  if (!events.startsWith(restOfName, end)) return false
  const at = behindColon(events, end + restOfName.length)
  const first = events.charCodeAt(at)
  return first !== lowerN && !(first === quote && events.charCodeAt(at + 1) === quote)
}

/** Where the value of a member begins, if nothing but a blank stands before it; else somewhere. */
function behindColon(events: string, end: number): number {
  if (events.charCodeAt(end) !== colon) return end
  return events.charCodeAt(end + 1) === blank ? end + 2 : end + 1
}

function isDigit(code: number): boolean {
  return code >= zero && code <= zero + 9
}
