import { saysWritten } from '../../routing/usage/estimate.ts'
import type { UsageKind } from '../../routing/vendors/operation.ts'
import {
  addUnits,
  noReportedUnits,
  type ReportedRemainder,
  type ReportedUnits,
} from '../../routing/usage/reported-units.ts'
import type { TokenUsage } from '../../routing/usage/record.ts'
import { UsageTally } from '../../routing/usage/tally.ts'
import { AnswerBytes } from './bytes.ts'
import type { AnswerReading } from './reading.ts'
import { withoutExtraUsage } from '../protocol/extra-usage.ts'
import { findServiceTier } from '../protocol/service-tier.ts'
import { MarkSearch } from '../protocol/mark-search.ts'
import type { EndingEvent, StreamFollower, StreamProtocol } from '../protocol/stream-protocol.ts'
import { findEventEnd, readEvent, type ServerSentEvent, wholeEventsLength } from '../protocol/sse.ts'

/** The result of reading events. */
export interface ReadEvents {
  /** Events that are passed unchanged, in order. */
  readonly before: readonly Buffer[]
  /** Null: none of them ends the stream, and `after` is empty. */
  readonly end: EndingEvent | null
  /** From the one that ends it on. */
  readonly after: readonly Buffer[]
  /** The event that ends it. */
  readonly event: ServerSentEvent | null
}

/** Reads a stream while it passes, event by event where something may matter: what it took, where it ends, what nobody asked for. */
export class StreamReading implements AnswerReading {
  readonly bytes = new AnswerBytes()
  readonly isReadable = true
  readonly follower: StreamFollower
  readonly #protocol: StreamProtocol
  readonly #dropsUsage: boolean
  readonly #tally: UsageTally
  readonly #marks: MarkSearch
  #units: ReportedUnits = noReportedUnits
  #serviceTier: string | null = null

  /** `dropsUsage`: the client did not ask for the event with the stream's usage. */
  constructor(kind: UsageKind, protocol: StreamProtocol, dropsUsage: boolean) {
    this.#protocol = protocol
    this.#dropsUsage = dropsUsage
    this.#tally = new UsageTally(kind)
    this.follower = protocol.follow()
    this.#marks = new MarkSearch(this.follower.marks)
  }

  reportedTokens(): TokenUsage | null {
    return this.#tally.tokens()
  }

  reportedRest(): ReportedRemainder {
    const serviceTier = this.#serviceTier ?? this.#protocol.serviceTierOfBeginning?.(this.bytes.head()) ?? null
    return { ...this.#units, serviceTier, cacheWriteLongTokens: this.#tally.cacheWriteLongTokens }
  }

  get isReportFinal(): boolean {
    return this.#tally.isFinal
  }

  /** Reads whole events; null: all of them go on as they are, and none ends the stream. The last one may lack its empty line. */
  take(events: Buffer): ReadEvents | null {
    const text = events.toString('latin1', 0, events.length)
    this.#marks.begin(text)
    let at = this.#marks.find(0)
    if (at < 0) {
      this.#passWritten(text)
      return null
    }
    const found = new FoundEvents(events)
    for (; at >= 0; at = this.#marks.find(found.readTo)) this.#readEventAt(at, found)
    this.#passWritten(text.slice(found.usageEnd))
    return found.finish()
  }

  #readEventAt(at: number, found: FoundEvents): void {
    const { start, end } = found.boundsAt(at)
    found.readTo = end
    const bytes = found.events.subarray(start, end)
    const event = readEvent(bytes)
    if (this.#reports(event)) {
      this.#passWritten(found.textTo(start))
      found.usageEnd = end
    }
    this.addUsage(event)
    if (this.#dropsUsage && this.#protocol.isExtraUsage(event))
      found.replace(start, end, withoutExtraUsage(event, bytes))
    const ending = this.follower.read(event)
    if (ending) found.endsWith(event, ending, start)
    else found.goesOn()
  }

  /** Counts what an event reports. */
  addUsage(event: ServerSentEvent): void {
    const { json } = event
    if (!json) return
    const { units } = this.#protocol
    if (units) this.#units = addUnits(this.#units, units.find(json, event.name))
    const usage = this.#protocol.findUsage(json)
    if (!usage) return
    this.#tally.add(usage, !this.#protocol.hasUsageOfBeginning(event))
    this.#serviceTier = findServiceTier(json, usage) ?? this.#serviceTier
  }

  #reports({ json }: ServerSentEvent): boolean {
    return json !== undefined && this.#protocol.findUsage(json) !== undefined
  }

  /** What was written behind the last report is not in it. */
  #passWritten(text: string): void {
    if (this.#tally.isFinal && saysWritten(text)) this.#tally.goOn()
  }
}

/** Events while they are read. */
class FoundEvents implements ReadEvents {
  readonly events: Buffer
  readonly before: Buffer[] = []
  readonly after: Buffer[] = []
  end: EndingEvent | null = null
  event: ServerSentEvent | null = null
  /** Up to here they were read. */
  readTo = 0
  /** Behind the last one that reports usage. */
  usageEnd = 0
  /** Up to this index the events are in `before` or `after`. */
  #handedOn = 0

  constructor(events: Buffer) {
    this.events = events
  }

  /** The bounds of the event in which this place is. */
  boundsAt(at: number): { readonly start: number; readonly end: number } {
    const { events } = this
    let start = this.readTo + wholeEventsLength(events.subarray(this.readTo, at))
    for (;;) {
      const end = findEventEnd(events, start)
      if (end < 0) return { start, end: events.length }
      // More than one empty line may stand before the event.
      if (end > at) return { start, end }
      start = end
    }
  }

  /** What stands between the last event that reports usage and this place. */
  textTo(start: number): string {
    return this.events.toString('latin1', this.usageEnd, start)
  }

  replace(start: number, end: number, bytes: Buffer): void {
    this.#handOn(start)
    if (bytes.length > 0) this.#target.push(bytes)
    this.#handedOn = end
  }

  /** The first event that ends the stream stands at `start`. One that might have been the last gives way to another. */
  endsWith(event: ServerSentEvent, end: EndingEvent, start: number): void {
    if (this.end !== null && this.end !== 'perhaps') return
    if (this.end === 'perhaps') this.goesOn()
    this.#handOn(start)
    this.end = end
    this.event = event
  }

  /** Another event follows the one that might have been the last. */
  goesOn(): void {
    if (this.end !== 'perhaps') return
    this.before.push(...this.after)
    this.after.length = 0
    this.end = null
    this.event = null
  }

  finish(): ReadEvents {
    if (this.end === 'perhaps' && this.readTo < this.events.length) this.goesOn()
    this.#handOn(this.events.length)
    return this
  }

  get #target(): Buffer[] {
    return this.end === null ? this.before : this.after
  }

  #handOn(end: number): void {
    if (end > this.#handedOn) this.#target.push(this.events.subarray(this.#handedOn, end))
    this.#handedOn = Math.max(this.#handedOn, end)
  }
}
