import type { BudgetAction as BudgetActionWord, BudgetPeriod as BudgetPeriodWord } from '../../routing/limits/limit.ts'
import { builder } from '../schema/builder.ts'
import type { Values } from '../schema/enum-values.ts'

export const BudgetPeriod = builder.enumType('BudgetPeriod', {
  description: 'After what time a budget opens anew, by the calendar of its time zone.',
  values: {
    DAY: { description: 'From midnight.' },
    WEEK: { description: 'From Monday.' },
    MONTH: { description: 'From its first day.' },
    QUARTER: { description: 'From January, April, July or October.' },
    YEAR: { description: 'From January.' },
    TOTAL: { description: 'Never: all that was ever spent counts.' },
  } satisfies Values<BudgetPeriodWord>,
})

export const BudgetAction = builder.enumType('BudgetAction', {
  description: 'What becomes of requests when a budget is used up.',
  values: {
    REFUSE: { description: '429 `insufficient_quota`, and clients are told not to retry.' },
    SKIP_PRICED: {
      description:
        "Backends with a price are left out; those without one, one's own GPUs, go on. If none is left: 429 `insufficient_quota`.",
    },
    NOTIFY: { description: 'Only told.' },
  } satisfies Values<BudgetActionWord>,
})
