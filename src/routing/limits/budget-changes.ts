import { isAtLeast, multiplyDecimals } from '../usage/decimal.ts'
import type { BudgetState } from './budget-state.ts'
import type { Budget } from './limit.ts'

export const budgetChangeKinds = ['CURRENT', 'WARNED', 'EXHAUSTED', 'RAISED', 'RENEWED'] as const
export type BudgetChangeKind = (typeof budgetChangeKinds)[number]

/** What whoever watches a budget, or one part of it, was told. */
export interface BudgetNotice {
  readonly periodStartMs: number
  readonly allowed: string
  /** Shares of `warnAt` that were told in the period. */
  readonly warnedAt: ReadonlySet<number>
  readonly isExhausted: boolean
}

/** What is told of the first look: the shares that are passed already are not told again. */
export function firstNotice(budget: Budget, state: BudgetState): BudgetNotice {
  return { ...withoutNotice(state), warnedAt: new Set(passedShares(budget, state)), isExhausted: state.exhausted }
}

/** Of a part that nothing was spent of before. */
export function withoutNotice({ period, allowed }: BudgetState): BudgetNotice {
  return { periodStartMs: period.startMs, allowed, warnedAt: new Set(), isExhausted: false }
}

/**
 * What has happened since, in the order in which it is told, one entry for each share that was passed. Each share is told once in a
 * period, and that all is spent once for as long as no more is allowed: money that is reserved comes and goes.
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

/** As it was written, not as the binary number that it is. */
function decimalOf(share: number): string {
  return share < 1e-6 ? share.toFixed(20) : String(share)
}
