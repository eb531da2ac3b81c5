import type {
  LimitDimension as LimitDimensionWord,
  LimitEnforcement as LimitEnforcementWord,
} from '../../routing/limits/limit.ts'
import { builder } from '../schema/builder.ts'
import type { Values } from '../schema/enum-values.ts'

export const LimitDimension = builder.enumType('LimitDimension', {
  description: 'Counted apart for each of these.',
  values: {
    API_KEY: { description: 'For each key that requests come with.' },
    USER: { description: 'For each owner of such keys.' },
    ROUTE: { description: 'For each route that is called.' },
  } satisfies Values<LimitDimensionWord>,
})

export const LimitEnforcement = builder.enumType('LimitEnforcement', {
  description: 'What becomes of a request that a limit has no room for.',
  values: {
    ENFORCE: { description: 'It is refused, or goes to another backend.' },
    OBSERVE: { description: 'Only counted: `wouldRefuse` tells what `ENFORCE` would have done.' },
  } satisfies Values<LimitEnforcementWord>,
})
