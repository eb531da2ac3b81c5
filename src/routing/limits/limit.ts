/** Limits and budgets as they are configured. */

/** Dimensions: a limit or budget is counted separately for each value. */
export const limitDimensions = ['API_KEY', 'USER', 'ROUTE'] as const
export type LimitDimension = (typeof limitDimensions)[number]

export const limitEnforcements = ['ENFORCE', 'OBSERVE'] as const
export type LimitEnforcement = (typeof limitEnforcements)[number]

export const budgetPeriods = ['DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR', 'TOTAL'] as const
export type BudgetPeriod = (typeof budgetPeriods)[number]

export const budgetActions = ['REFUSE', 'SKIP_PRICED', 'NOTIFY'] as const
export type BudgetAction = (typeof budgetActions)[number]

/** The object to which a limit or a budget applies. */
export type LimitSubject =
  | { readonly kind: 'INSTALLATION' }
  | {
      readonly kind: 'USER' | 'API_KEY' | 'ROUTE' | 'PROVIDER' | 'PROVIDER_MODEL' | 'DEPLOYMENT'
      readonly id: string
    }
export type LimitSubjectKind = LimitSubject['kind']

export interface RateLimit {
  readonly id: string
  readonly subject: LimitSubject
  /** Counted separately for each value of these; empty: all requests of the subject share it. */
  readonly per: readonly LimitDimension[]
  /** A bound is null if there is none; at least one of the three is set. */
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  /** Requests at the same time. */
  readonly inFlight: number | null
  /** Most requests that may arrive at once; null: a tenth of the rate per minute, at least 1. */
  readonly burst: number | null
  readonly enforcement: LimitEnforcement
}

export interface Budget {
  readonly id: string
  /** Grows with each change of it. */
  readonly revision: number
  readonly subject: LimitSubject
  readonly per: readonly LimitDimension[]
  /** USD, an exact decimal. */
  readonly amount: string
  readonly period: BudgetPeriod
  /** IANA name of the time zone in which periods begin. */
  readonly timeZone: string
  /** Shares of the amount, ascending. */
  readonly warnAt: readonly number[]
  readonly onExhausted: BudgetAction
  /** USD that are reserved for a request to a backend without a price; null: such requests are not held back. */
  readonly unpricedReserve: string | null
  /** USD more in the period that begins at this instant (milliseconds since the epoch), and in no other. */
  readonly raise: { readonly periodStartMs: number; readonly amount: string } | null
}

/** The key of limits on the whole installation. */
export const installationKey = 'INSTALLATION'

/** The key of the limits on a subject: its id, which is unique across kinds. */
export function subjectKey(subject: LimitSubject): string {
  return subject.kind === 'INSTALLATION' ? installationKey : subject.id
}
