import { addDecimals, isAtLeast, subtractDecimals } from '../usage/decimal.ts'
import { type PeriodRange, periodAt } from './budget-period.ts'
import type { Budget } from './limit.ts'

/** The state of a budget, or of one part of it, in the running period. Amounts are USD, exact decimals. */
export interface BudgetState {
  readonly period: PeriodRange
  /** The amount with the raise of the period. */
  readonly allowed: string
  /** What finished requests have cost. */
  readonly spent: string
  /** What is reserved for requests in flight. */
  readonly reserved: string
  /** Negative if more was spent than is allowed. */
  readonly remaining: string
  readonly exhausted: boolean
  /** Milliseconds since the epoch; null: not within the period. */
  readonly runsOutAtMs: number | null
}

export interface BudgetUse {
  readonly spent: string
  readonly reserved: string
  /** Of requests that finished in the last 24 hours. */
  readonly spentLastDay: string
}

const dayMs = 86_400_000
/** The last instant with a year of four digits. */
const lastInstantMs = Date.UTC(9999, 11, 31)

/** The state at an instant. */
export function budgetStateAt(
  budget: Budget,
  { spent, reserved, spentLastDay }: BudgetUse,
  nowMs: number,
): BudgetState {
  const period = periodAt(budget.period, budget.timeZone, nowMs)
  const allowed = allowedIn(budget, period)
  const remaining = subtractDecimals(subtractDecimals(allowed, spent), reserved)
  const exhausted = isAtLeast('0', remaining)
  const runsOutAtMs = exhausted ? null : runOut(Number(remaining), Number(spentLastDay), period, nowMs)
  return { period, allowed, spent, reserved, remaining, exhausted, runsOutAtMs }
}

/** What may be spent in a period: the amount, and the raise if it was for this one. */
export function allowedIn({ amount, raise }: Budget, { startMs }: PeriodRange): string {
  return raise?.periodStartMs === startMs ? addDecimals(amount, raise.amount) : amount
}

/** Forecasts when the budget is used up. Only here money is a binary number. */
function runOut(remaining: number, perDay: number, { endMs }: PeriodRange, nowMs: number): number | null {
  if (perDay <= 0) return null
  const atMs = Math.round(nowMs + (remaining / perDay) * dayMs)
  return atMs < (endMs ?? lastInstantMs) ? atMs : null
}
