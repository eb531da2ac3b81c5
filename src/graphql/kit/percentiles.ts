import type { Percentiles } from '../../routing/usage/latency-sketch.ts'
import { builder } from '../schema/builder.ts'

export const PercentilesRef = builder.objectRef<Percentiles>('Percentiles').implement({
  description: 'Percentiles of a duration in milliseconds, with a relative error of at most 5 %.',
  fields: (t) => ({
    p50: t.exposeFloat('p50', { description: 'Half of the requests took no longer.' }),
    p95: t.exposeFloat('p95', { description: '95 % of the requests took no longer.' }),
    p99: t.exposeFloat('p99', { description: '99 % of the requests took no longer.' }),
  }),
})
