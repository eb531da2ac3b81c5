import type {
  LimitDimension as LimitDimensionWord,
  LimitEnforcement as LimitEnforcementWord,
} from '../../routing/limits/limit.ts'
import { builder } from '../schema/builder.ts'
import type { Values } from '../schema/enum-values.ts'

export const LimitDimension = builder.enumType('LimitDimension', {
  description: 'A limit or budget is counted separately for each value of these.',
  values: {
    API_KEY: { description: 'For each API key of a caller.' },
    USER: { description: "For each user who owns the caller's key." },
    ROUTE: { description: 'For each route that is called.' },
  } satisfies Values<LimitDimensionWord>,
})

export const LimitEnforcement = builder.enumType('LimitEnforcement', {
  description: 'What happens to a request that a limit has no room for.',
  values: {
    ENFORCE: { description: 'It is refused, or goes to another backend.' },
    OBSERVE: { description: 'It is only counted: `wouldRefuseLastHour` shows what `ENFORCE` would have refused.' },
  } satisfies Values<LimitEnforcementWord>,
})
