import { endOfBlock } from '../../routing/usage/answer-text.ts'
import type { UsageKind } from '../../routing/vendors/operation.ts'
import {
  noReportedUnits,
  type ReportedRemainder,
  type ReportedUnits,
  toServiceTier,
} from '../../routing/usage/reported-units.ts'
import type { TokenUsage } from '../../routing/usage/record.ts'
import { UsageTally } from '../../routing/usage/tally.ts'
import { AnswerBytes, keptWholeBytes } from './bytes.ts'
import type { AnswerReading } from './reading.ts'
import { isObject, type Json, parseEventJson } from '../protocol/event-json.ts'
import { JsonPicker } from '../protocol/json-picker.ts'
import { findServiceTier } from '../protocol/service-tier.ts'
import type { StreamProtocol } from '../protocol/stream-protocol.ts'

/** What an answer says of itself. */
interface Report {
  readonly usage: Json | undefined
  readonly serviceTier: string | null
  readonly units: ReportedUnits
}

/** Reads a plain answer while it passes: a short one at its end, of a longer one what is wanted is picked out. */
export class PlainReading implements AnswerReading {
  readonly bytes = new AnswerBytes()
  readonly isReportFinal = true
  readonly #kind: UsageKind
  readonly #protocol: StreamProtocol
  #picker: JsonPicker | null = null
  #report: Report | null = null
  /** Undefined: it was not asked for yet. */
  #counted: UsageTally | null | undefined

  constructor(kind: UsageKind, protocol: StreamProtocol) {
    this.#kind = kind
    this.#protocol = protocol
  }

  take(chunk: Buffer): void {
    const { bytes } = this
    if (this.#picker) this.#picker.push(chunk)
    else if (bytes.total + chunk.length > keptWholeBytes && this.#kind !== 'none') {
      this.#picker = new JsonPicker(this.#protocol.shape)
      this.#picker.push(Buffer.from(bytes.head() + bytes.tail(), 'latin1'))
      this.#picker.push(chunk)
    }
    bytes.add(chunk)
  }

  get isReadable(): boolean {
    return /^\s*[{[]/.test(this.bytes.head())
  }

  reportedTokens(): TokenUsage | null {
    return this.#tally()?.tokens() ?? null
  }

  reportedRest(): ReportedRemainder {
    const { serviceTier, units } = this.#findReport()
    return { ...units, serviceTier, cacheWriteLongTokens: this.#tally()?.cacheWriteLongTokens ?? 0 }
  }

  #tally(): UsageTally | null {
    if (this.#counted === undefined) this.#counted = this.#countTokens()
    return this.#counted
  }

  #countTokens(): UsageTally | null {
    const { usage } = this.#findReport()
    if (!usage) return null
    const tally = new UsageTally(this.#kind)
    tally.add(usage, true)
    return tally
  }

  #findReport(): Report {
    this.#report ??= this.#picker
      ? this.#reportOf(this.#picker.end())
      : this.#readShort(this.bytes.head() + this.bytes.tail())
    return this.#report
  }

  #readShort(text: string): Report {
    if (!this.#protocol.units?.mayBeIn(text)) {
      if (!text.includes('_tokens"')) return noReport
      const last = lastMember(text)
      if (last) return last
    }
    return this.#reportOf(parseEventJson(text))
  }

  #reportOf(json: Json | undefined): Report {
    if (!json) return noReport
    const { units } = this.#protocol
    const usage = this.#protocol.findUsage(json)
    return { usage, serviceTier: findServiceTier(json, usage), units: units?.find(json, '') ?? noReportedUnits }
  }
}

const noReport: Report = { usage: undefined, serviceTier: null, units: noReportedUnits }

const usageName = '"usage":{'

/**
 * What is said where a top-level `usage` has only short members behind it: nearly always that is so, and all else need not be parsed,
 * unless it names the service tier.
 */
function lastMember(text: string): Report | undefined {
  const at = text.lastIndexOf(usageName)
  if (at < 1 || text[at - 1] === '\\') return undefined
  const start = at + usageName.length - 1
  const end = endOfBlock(text, start)
  const rest = text.slice(end)
  if (end < 0 || !plainRest.test(rest)) return undefined
  const usage = parseEventJson(text.slice(start, end))
  if (!isObject(usage)) return undefined
  const serviceTier = serviceTierBehind(rest) ?? findServiceTier({}, usage)
  if (serviceTier === null && text.lastIndexOf('"service_tier":"', at) >= 0) return undefined
  return { usage, serviceTier, units: noReportedUnits }
}

function serviceTierBehind(rest: string): string | null {
  return rest.includes('"service_tier"') ? toServiceTier(/"service_tier":"([^"]*)"/.exec(rest)?.[1]) : null
}

/** Members without nested braces up to the closing brace at the end of the text, so that they belong to the outermost object. */
const plainRest = /^(?:,"\w+":(?:"[^"\\]{0,200}"|[\w.+-]{1,40}|\{\}|\[\])){0,8}\s*\}\s*$/
