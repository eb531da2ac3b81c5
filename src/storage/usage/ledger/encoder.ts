import { latencyBin } from '../../../routing/usage/latency-sketch.ts'
import type { UsageAttributes, UsageEncoder, UsageEntry } from '../../../routing/usage/entry.ts'
import { type AttemptRecord, endedAtMs, type UsageRecord } from '../../../routing/usage/record.ts'
import { usageAboutText } from './about-text.ts'
import { usageFormat } from './format.ts'
import { literalText } from './literal.ts'
import { sketchOfBin } from '../report/sketch.ts'

/** What a line begins with, and a record that it was made for. */
interface KnownAbout extends UsageAttributes {
  readonly head: string
  readonly example: UsageRecord
}

type ByText<T> = Map<string | null, T>

/**
 * About 70 MB. More are forgotten together, and made anew when they come again, which costs ten times as much as the line: so there is
 * room for 10,000 keys with several places to serve each. Lines may refer to what was forgotten all the same.
 */
const maxAbouts = 30_000

/** Writes records as elements of arrays of `usage_line_2` and `usage_about_2` (`migrations/0014_prices.sql`). */
export function createUsageEncoder(): UsageEncoder {
  const known: ByText<ByText<ByText<KnownAbout[]>>> = new Map()
  let made = 0
  let kept = 0

  const candidatesOf = (record: UsageRecord): KnownAbout[] => {
    const ofRoute = getOrAdd(known, record.routeId, newMap<ByText<KnownAbout[]>>)
    const ofKey = getOrAdd(ofRoute, record.apiKeyId, newMap<KnownAbout[]>)
    return getOrAdd(ofKey, record.attempts.length > 0 ? record.attempts[0]!.endpointId : null, newList)
  }

  const addAbout = (record: UsageRecord): KnownAbout => {
    if (kept >= maxAbouts) {
      known.clear()
      kept = 0
    }
    const number = made++
    kept++
    const about = { number, text: usageAboutText(number, record), head: `"(${number},`, example: record }
    candidatesOf(record).push(about)
    return about
  }

  return {
    encode(record: UsageRecord): UsageEntry {
      const candidates = candidatesOf(record)
      for (const about of candidates) {
        if (isSame(about.example, record)) return { about, line: lineOf(about.head, record) }
      }
      const about = addAbout(record)
      return { about, line: lineOf(about.head, record) }
    },
  }
}

function getOrAdd<T>(map: ByText<T>, key: string | null, create: () => T): T {
  const found = map.get(key)
  if (found !== undefined) return found
  const added = create()
  map.set(key, added)
  return added
}

function newMap<T>(): ByText<T> {
  return new Map()
}

function newList(): KnownAbout[] {
  return []
}

/** Whether they differ in nothing but what a line holds. The strings come from one snapshot: mostly their addresses tell. */
function isSame(a: UsageRecord, b: UsageRecord): boolean {
  return (
    a.stream === b.stream &&
    a.status === b.status &&
    a.outcome === b.outcome &&
    a.operation === b.operation &&
    a.targetId === b.targetId &&
    a.backendId === b.backendId &&
    a.routeId === b.routeId &&
    a.routeRevision === b.routeRevision &&
    a.apiKeyId === b.apiKeyId &&
    a.provenance === b.provenance &&
    a.serviceTier === b.serviceTier &&
    a.errorCode === b.errorCode &&
    a.routeName === b.routeName &&
    a.apiKeyName === b.apiKeyName &&
    a.userId === b.userId &&
    a.userName === b.userName &&
    a.backendLabel === b.backendLabel &&
    a.providerId === b.providerId &&
    a.providerName === b.providerName &&
    a.deploymentId === b.deploymentId &&
    a.deploymentName === b.deploymentName &&
    // The model is in the line unless it is the route's name.
    (a.requestedModel === a.routeName) === (b.requestedModel === b.routeName) &&
    hasSameAttempts(a.attempts, b.attempts)
  )
}

/** Of one attempt the duration and what upstream said are in the line; of several all is, and of none nothing. */
function hasSameAttempts(as: readonly AttemptRecord[], bs: readonly AttemptRecord[]): boolean {
  if (as.length !== bs.length) return false
  if (as.length !== 1) return true
  const a = as[0]!
  const b = bs[0]!
  return (
    a.status === b.status &&
    a.trigger === b.trigger &&
    a.isFallback === b.isFallback &&
    a.targetId === b.targetId &&
    a.backendId === b.backendId &&
    a.backendLabel === b.backendLabel &&
    a.endpointId === b.endpointId &&
    a.endpointUrl === b.endpointUrl &&
    a.credentialHint === b.credentialHint
  )
}

/** Our own words and numbers need no quotes. What is empty is null. */
function lineOf(head: string, r: UsageRecord): string {
  const { startedAtMs, tokens, firstByteMs, durationMs } = r
  const lasted = endedAtMs(r) - startedAtMs
  const firstByte = firstByteMs === null ? '' : `${micros(firstByteMs)}`
  const times = `${lasted},${micros(durationMs)},${firstByte},${micros(r.overheadMs)}`
  const counts =
    tokens === null
      ? ',,,'
      : `${tokens.inputTokens},${tokens.cachedInputTokens},${tokens.outputTokens},${tokens.reasoningTokens}`
  const sketches = `${firstByteMs === null ? '' : sketchOfBin(latencyBin(firstByteMs))},${sketchOfBin(latencyBin(durationMs))}`
  const model = r.requestedModel === r.routeName ? '' : literalText(r.requestedModel)
  const texts = `${restOfAttempts(r.attempts)},${model}`
  return `${head}${r.id},${startedAtMs},${times},${counts},${r.cost ?? ''},${sketches},${texts},${furtherCounts(r)},${usageFormat})"`
}

function furtherCounts({ tokens, images, audioSeconds, characters }: UsageRecord): string {
  const seconds = audioSeconds === null ? '' : `${Math.round(audioSeconds * 1_000_000)}`
  return `${tokens?.cacheWriteTokens ?? ''},${images ?? ''},${seconds},${characters ?? ''}`
}

/** More digits would only be written and read again. */
function micros(ms: number): number {
  return Math.round(ms * 1000)
}

function restOfAttempts(attempts: readonly AttemptRecord[]): string {
  if (attempts.length === 1) return restOfAttempt(attempts[0]!)
  return attempts.length === 0 ? '' : literalText(JSON.stringify(attempts))
}

/** Words of upstream's are in no two lines the same: an about of each would be made for one line. */
function restOfAttempt({ durationMs, error, upstreamRequestId }: AttemptRecord): string {
  const duration = `${micros(durationMs)}e-3`
  if (error === null && upstreamRequestId === null) return `${duration}}]`
  return literalText(`${duration},${JSON.stringify({ error, upstreamRequestId }).slice(1)}]`)
}

/** When the request of a line ended, in milliseconds since the epoch; NaN if that is not what the line says. */
export function endOfLineMs(line: string): number {
  const [, , started, lasted] = line.split(',', 4)
  return Number(started) + Number(lasted)
}
