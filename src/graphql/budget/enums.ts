import type { BudgetAction as BudgetActionWord, BudgetPeriod as BudgetPeriodWord } from '../../routing/limits/limit.ts'
import { builder } from '../schema/builder.ts'
import type { Values } from '../schema/enum-values.ts'

export const BudgetPeriod = builder.enumType('BudgetPeriod', {
  description:
    'How long a period of a budget lasts, by the calendar of its time zone. Each period begins with the full amount.',
  values: {
    DAY: { description: 'From midnight.' },
    WEEK: { description: 'From Monday.' },
    MONTH: { description: 'From its first day.' },
    QUARTER: { description: 'From January, April, July or October.' },
    YEAR: { description: 'From January.' },
    TOTAL: { description: 'One period without end: everything that was ever spent counts.' },
  } satisfies Values<BudgetPeriodWord>,
})

export const BudgetAction = builder.enumType('BudgetAction', {
  description: 'What happens to requests when a budget is used up.',
  values: {
    REFUSE: {
      description: 'They are refused with 429 `insufficient_quota`, and the answer asks clients not to retry.',
    },
    SKIP_PRICED: {
      description:
        'Backends with a price are left out; backends without a price, such as own GPUs, still serve. If no backend is left: 429 `insufficient_quota`.',
    },
    NOTIFY: { description: 'They are served; `budgetChanged` and `problems` show that the budget is used up.' },
  } satisfies Values<BudgetActionWord>,
})
