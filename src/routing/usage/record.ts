/** The usage record of one request of a client, which the gateway writes and the control plane reads. */
import type { FallbackTrigger, RequestOutcome, UsageProvenance } from '../config/vocabulary.ts'

export interface AttemptRecord {
  /** Null for a fallback backend. */
  readonly targetId: string | null
  readonly backendId: string
  readonly backendLabel: string
  /** Null for a provider model. */
  readonly endpointId: string | null
  readonly endpointUrl: string | null
  readonly isFallback: boolean
  /** Null if no status came. */
  readonly status: number | null
  /** Why the next attempt was made; null for the last one. */
  readonly trigger: FallbackTrigger | null
  readonly durationMs: number
  /** The hint of the credential that was sent; null for a deployment, and without a credential. */
  readonly credentialHint: string | null
  /** The error of the upstream or the connection, at most 500 characters, without secrets; null for an answer. */
  readonly error: string | null
  /** Upstream's own id of the request; null if it gave none. */
  readonly upstreamRequestId: string | null
}

/** Counts of tokens. Cached and cache-written ones are part of input, and no token is both; reasoning is part of output. */
export interface TokenUsage {
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
}

/** Units of an answer besides tokens. Null means that none were reported, which is not 0. */
export interface UnitUsage {
  readonly images: number | null
  /** At most six decimal places. */
  readonly audioSeconds: number | null
  /** Characters that were converted to speech. */
  readonly characters: number | null
}

export const noUnits: UnitUsage = { images: null, audioSeconds: null, characters: null }

export interface UsageRecord extends UnitUsage {
  /** `req_…`; the client gets it as `x-request-id`. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  readonly operation: string
  readonly stream: boolean
  readonly requestedModel: string | null
  readonly routeId: string | null
  readonly routeName: string | null
  readonly routeRevision: number | null
  readonly apiKeyId: string | null
  readonly apiKeyName: string | null
  readonly userId: string | null
  readonly userName: string | null
  /** The target, backend and its provider or deployment that served, or were tried last; null if none was. */
  readonly targetId: string | null
  readonly backendId: string | null
  readonly backendLabel: string | null
  readonly providerId: string | null
  readonly providerName: string | null
  readonly deploymentId: string | null
  readonly deploymentName: string | null
  readonly outcome: RequestOutcome
  /** The status that the client got. */
  readonly status: number
  readonly errorCode: string | null
  readonly attempts: readonly AttemptRecord[]
  /** Why the request moved on to the fallback; undefined if it did not, and in stored records, which do not have it. */
  readonly fallbackTrigger?: FallbackTrigger | undefined
  readonly provenance: UsageProvenance
  /** Null if `provenance` is `NONE`. */
  readonly tokens: TokenUsage | null
  /** The `service_tier` of the answer, at most 64 characters; null if it names none. */
  readonly serviceTier: string | null
  /** USD, an exact decimal; null if the backend had no price. */
  readonly cost: string | null
  /** Null if no byte of an answer went out. */
  readonly firstByteMs: number | null
  readonly durationMs: number
  /** The part of `durationMs` that was neither upstream nor the client. */
  readonly overheadMs: number
}

/** Milliseconds since the epoch, whole: the instant at which a request counts as usage. */
export function endedAtMs(record: Pick<UsageRecord, 'startedAtMs' | 'durationMs'>): number {
  return Math.round(record.startedAtMs + record.durationMs)
}

/** Whether it ended neither `OK` nor `OK_BY_FALLBACK`. */
export function isFailure(outcome: RequestOutcome): boolean {
  return outcome !== 'OK' && outcome !== 'OK_BY_FALLBACK'
}
