import { budgetOf } from '../../storage/budget/load.ts'
import { readsConfig } from '../kit/authorisation.ts'
import type { NodeEntries } from '../kit/node-entry.ts'
import { seesLimit, limitVisibilityOf } from '../limit/visibility.ts'

export const budgetNodes: NodeEntries<'Budget'> = {
  Budget: {
    load: ({ loaders }, id) => loaders.budget.load(id),
    scopes: readsConfig,
    /** A budget that the caller may not see looks like a budget that does not exist. */
    find: async (context, id) => {
      const row = await context.loaders.budget.load(id)
      return row && seesLimit(limitVisibilityOf(context), budgetOf(row)) ? row : null
    },
  },
}
