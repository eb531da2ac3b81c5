import { isAtLeast, multiplyDecimals } from '../usage/decimal.ts'
import type { BudgetState } from './budget-state.ts'
import type { Budget } from './limit.ts'

export const budgetChangeKinds = ['CURRENT', 'WARNED', 'EXHAUSTED', 'RAISED', 'RENEWED'] as const
export type BudgetChangeKind = (typeof budgetChangeKinds)[number]

/** What a subscriber of a budget, or of one part of it, was sent last. */
export interface BudgetNotice {
  readonly periodStartMs: number
  readonly allowed: string
  /** Shares of `warnAt` that were reported in the period. */
  readonly warnedAt: ReadonlySet<number>
  readonly isExhausted: boolean
}

/** The notice after the first read: shares that are reached already are not reported again. */
export function firstNotice(budget: Budget, state: BudgetState): BudgetNotice {
  return { ...withoutNotice(state), warnedAt: new Set(passedShares(budget, state)), isExhausted: state.exhausted }
}

/** The notice for a part of which nothing was spent before. */
export function withoutNotice({ period, allowed }: BudgetState): BudgetNotice {
  return { periodStartMs: period.startMs, allowed, warnedAt: new Set(), isExhausted: false }
}

/**
 * The changes since a notice, in the order of their reports, one for each share that was reached. Each share is reported once per
 * period, and exhaustion once until more is allowed, because reserved money comes and goes.
 */
export function changesSince(
  notice: BudgetNotice,
  budget: Budget,
  state: BudgetState,
): { readonly kinds: readonly BudgetChangeKind[]; readonly notice: BudgetNotice } {
  const isRenewed = state.period.startMs !== notice.periodStartMs
  const isRaised = !isRenewed && !isAtLeast(notice.allowed, state.allowed)
  const before = isRenewed ? withoutNotice(state) : notice
  const passed = passedShares(budget, state).filter((share) => !before.warnedAt.has(share))
  const isExhausted = state.exhausted || (before.isExhausted && !isRaised)
  const isNewlyExhausted = state.exhausted && (!before.isExhausted || isRaised)
  return {
    kinds: [
      ...(isRenewed ? (['RENEWED'] as const) : []),
      ...(isRaised ? (['RAISED'] as const) : []),
      ...passed.map(() => 'WARNED' as const),
      ...(isNewlyExhausted ? (['EXHAUSTED'] as const) : []),
    ],
    notice: {
      periodStartMs: state.period.startMs,
      allowed: state.allowed,
      warnedAt: new Set([...before.warnedAt, ...passed]),
      isExhausted,
    },
  }
}

function passedShares({ warnAt }: Budget, { spent, allowed }: BudgetState): number[] {
  return warnAt.filter((share) => isAtLeast(spent, multiplyDecimals(allowed, decimalOf(share))))
}

/** The share as the decimal that the operator wrote, without the rounding error of the binary number. */
function decimalOf(share: number): string {
  return share < 1e-6 ? share.toFixed(20) : String(share)
}
