/** All that problems are derived from. Instants are milliseconds since the epoch. */
import type { LiveView } from '../choose/live-view.ts'
import type { Snapshot } from '../config/snapshot.ts'
import type { GatewayTraffic } from '../traffic/report.ts'

export interface ProblemFacts {
  readonly nowMs: number
  readonly snapshot: Snapshot
  readonly live: LiveView
  /** Endpoints, provider models and credentials that fail without a success in between, over all gateways, by id. */
  readonly failing: ReadonlyMap<string, FailingHealth>
  /** The live traffic of the last minute of the routes that had any, by route id. */
  readonly traffic: ReadonlyMap<string, readonly GatewayTraffic[]>
  readonly database: DatabaseContact
  readonly gateways: readonly GatewayFact[]
  readonly delayedSpools: readonly DelayedSpool[]
  /** Attempts of the last minutes from the request log, by backend id. */
  readonly attempts: ReadonlyMap<string, RecentAttempts>
  /** Warnings from the last probes of endpoints, and from the settings of this installation. */
  readonly warnings: readonly BackendFault[]
  /** When backends with a warning last answered a request, by id. */
  readonly answeredAtMs: ReadonlyMap<string, number>
  /** Provider models without a price that have had requests, with the instant of the first one. */
  readonly unpricedSinceMs: ReadonlyMap<string, number>
  /** Rate limits that refuse requests. */
  readonly reachedLimits: readonly ReachedLimit[]
  readonly exhaustedBudgets: readonly ExhaustedBudget[]
}

/** A part of a rate limit that refuses requests. */
export interface ReachedLimit {
  readonly limitId: string
  /** The ids of the limit's dimensions, with spaces between; see `bucketKey`. */
  readonly bucket: string
  readonly sinceMs: number
}

/** A part of a budget of which nothing is left, or too little for the current requests. */
export interface ExhaustedBudget {
  readonly budgetId: string
  readonly bucket: string
  /** When it began; null if unknown. */
  readonly sinceMs: number | null
  /** Whether nothing is left. */
  readonly isSpent: boolean
}

export interface FailingHealth {
  readonly sinceMs: number
  /** Whether only trials are sent there; false if it failed, but the next request may still use it. */
  readonly isEjected: boolean
  /** Without secrets. */
  readonly lastError: string | null
}

export interface DatabaseContact {
  /** When it became unreachable; null if it answers. */
  readonly unreachableSinceMs: number | null
  /** Why, as the driver says it. */
  readonly error: string | null
}

export interface GatewayFact {
  readonly id: string
  readonly host: string
  readonly isLost: boolean
  readonly seenAtMs: number
  /** When the first change was committed that it does not serve; null: it serves all of them. */
  readonly behindSinceMs: number | null
  readonly appliedVersion: number
}

export interface DelayedSpool {
  readonly spoolId: string
  /** Name of the machine; null if no gateway claims the spool. */
  readonly host: string | null
  readonly completeUntilMs: number
  readonly pending: number
  /** Whether it reported recently. */
  readonly isReporting: boolean
}

/** The attempts at one backend within the last minutes. */
export interface RecentAttempts {
  readonly attempts: number
  readonly answered: number
  readonly lastAnsweredAtMs: number | null
  readonly errors: RecentFailures
  /** Attempts that were answered since the last of `errors`. */
  readonly answeredSinceError: number
  /** Answers with 404 for the model or for the path. */
  readonly notFound: RecentFailures
  /** Refusals of the credential. */
  readonly unauthorised: RecentFailures
}

export interface RecentFailures {
  readonly count: number
  /** Of `count`, those of requests that failed for their clients. */
  readonly failedRequests: number
  readonly firstAtMs: number | null
  readonly lastAtMs: number | null
  /** The upstream's last error message, without secrets. */
  readonly lastError: string | null
}

/** Why a backend will probably not answer. */
export interface BackendFault {
  readonly backendId: string
  readonly code: 'UNREACHABLE' | 'MODEL_NOT_LISTED' | 'BASE_URL_SUSPECT' | 'UNSAFE_URL' | 'CREDENTIAL_REFUSED'
  /** What is wrong, and what to do. */
  readonly message: string
  /** When the endpoint was asked; null for a warning about settings. */
  readonly atMs: number | null
}
