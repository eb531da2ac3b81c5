/** All that problems are derived from. Instants are milliseconds since the epoch. */
import type { LiveView } from '../choose/live-view.ts'
import type { Snapshot } from '../config/snapshot.ts'
import type { GatewayTraffic } from '../traffic/report.ts'

export interface ProblemFacts {
  readonly nowMs: number
  readonly snapshot: Snapshot
  readonly live: LiveView
  /** What has failed without a success in between, over all gateways, by id of the endpoint, provider model or credential. */
  readonly failing: ReadonlyMap<string, FailingHealth>
  /** The live traffic of the last minute of the routes that had any, by route id. */
  readonly traffic: ReadonlyMap<string, readonly GatewayTraffic[]>
  readonly database: DatabaseContact
  readonly gateways: readonly GatewayFact[]
  readonly delayedSpools: readonly DelayedSpool[]
  /** What the request log says of the last minutes, by backend id. */
  readonly attempts: ReadonlyMap<string, RecentAttempts>
  /** What endpoints said when they were last asked, and what the settings of this installation forbid. */
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

/** A part of a budget of which nothing is left, or too little for the requests that come. */
export interface ExhaustedBudget {
  readonly budgetId: string
  readonly bucket: string
  /** Null: it is not known since when. */
  readonly sinceMs: number | null
  /** Whether nothing is left. */
  readonly isSpent: boolean
}

export interface FailingHealth {
  readonly sinceMs: number
  /** Whether nothing is sent there, but for a trial; false: it failed, and is tried with the next request. */
  readonly isEjected: boolean
  /** Without secrets. */
  readonly lastError: string | null
}

export interface DatabaseContact {
  /** Null: it answers. */
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
  /** Name of the machine, as far as a gateway says that the spool is its. */
  readonly host: string | null
  readonly completeUntilMs: number
  readonly pending: number
  /** Whether it was heard of lately. */
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
  /** 404 for the model, or for the path. */
  readonly notFound: RecentFailures
  /** Refusals of what we sent to be let in with. */
  readonly unauthorised: RecentFailures
}

export interface RecentFailures {
  readonly count: number
  /** Of `count`, those of requests that failed for their clients. */
  readonly failedRequests: number
  readonly firstAtMs: number | null
  readonly lastAtMs: number | null
  /** What upstream last said, without secrets. */
  readonly lastError: string | null
}

/** Why a backend will probably not answer. */
export interface BackendFault {
  readonly backendId: string
  readonly code: 'UNREACHABLE' | 'MODEL_NOT_LISTED' | 'BASE_URL_SUSPECT' | 'UNSAFE_URL' | 'CREDENTIAL_REFUSED'
  /** What is wrong, and what to do. */
  readonly message: string
  /** When it was asked; null: it is about the settings. */
  readonly atMs: number | null
}
