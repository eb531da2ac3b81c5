/** Limits and budgets as they are configured: what they are about, and what they allow. */

/** Counted apart for each value of these. */
export const limitDimensions = ['API_KEY', 'USER', 'ROUTE'] as const
export type LimitDimension = (typeof limitDimensions)[number]

export const limitEnforcements = ['ENFORCE', 'OBSERVE'] as const
export type LimitEnforcement = (typeof limitEnforcements)[number]

export const budgetPeriods = ['DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR', 'TOTAL'] as const
export type BudgetPeriod = (typeof budgetPeriods)[number]

export const budgetActions = ['REFUSE', 'SKIP_PRICED', 'NOTIFY'] as const
export type BudgetAction = (typeof budgetActions)[number]

/** What a limit or a budget is about. */
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
  /** Empty: all requests of the subject share it. */
  readonly per: readonly LimitDimension[]
  /** Null members: not bounded; one of the three at least is. */
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  /** Requests at the same time. */
  readonly inFlight: number | null
  /** Most that may come at once; null: a tenth of a minute's worth, at least 1. */
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
  /** IANA name: where the period's days begin. */
  readonly timeZone: string
  /** Shares of the amount, ascending. */
  readonly warnAt: readonly number[]
  readonly onExhausted: BudgetAction
  /** USD that a request is taken to cost where no price is known; null: what has no price is not held back. */
  readonly unpricedReserve: string | null
  /** USD more in the period that begins at this instant (milliseconds since the epoch), and in no other. */
  readonly raise: { readonly periodStartMs: number; readonly amount: string } | null
}

/** Under which limits of the whole installation are found. */
export const installationKey = 'INSTALLATION'

/** Under which the limits of a subject are found: its id, because ids of different kinds differ. */
export function subjectKey(subject: LimitSubject): string {
  return subject.kind === 'INSTALLATION' ? installationKey : subject.id
}
