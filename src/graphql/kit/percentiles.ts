import type { Percentiles } from '../../routing/usage/latency-sketch.ts'
import { builder } from '../schema/builder.ts'

export const PercentilesRef = builder.objectRef<Percentiles>('Percentiles').implement({
  description: 'Relative error at most 5 %.',
  fields: (t) => ({
    p50: t.exposeFloat('p50', { description: 'Half of them took no longer.' }),
    p95: t.exposeFloat('p95', { description: '95 % of them took no longer.' }),
    p99: t.exposeFloat('p99', { description: '99 % of them took no longer.' }),
  }),
})
